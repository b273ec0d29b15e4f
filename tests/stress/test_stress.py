"""The short form of the stress suite: every scenario once. `make stress` goes on for minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STRESS = Path(__file__).with_name("stress.py")


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_nothing_that_hostile_clients_do_ends_or_stops_the_server() -> None:
    done = subprocess.run([sys.executable, str(STRESS), "--minutes", "0"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 scenarios" in done.stdout
