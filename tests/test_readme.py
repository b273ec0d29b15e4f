"""What readers are told to type does what they are told: the README, and the pages of the manual that teach."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import ROOT, blocks, environ, pages, run_page


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page(page: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path) >= 1


def test_the_readme_has_a_tour_of_the_library_and_one_of_the_command_line() -> None:
    languages = [language for language, _ in blocks(ROOT / "README.md")]
    assert languages.count("python") >= 3
    assert languages.count("console") == 1


def test_a_type_checker_has_nothing_to_say_of_the_readme(tmp_path: Path) -> None:
    """Whoever starts a program of his own from the tour has it checked as strictly as this library is."""
    tour = tmp_path / "tour.py"
    tour.write_text("".join(text for language, text in blocks(ROOT / "README.md") if language == "python"))
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        ROOT / ".mypy_cache" / "tour",
        tour,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_picture_shows_what_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "tools/first_look.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pipeline_deletes_flows_with_and_without_an_identifier(tmp_path: Path) -> None:
    """Also such as need fields that they do not match."""
    if shutil.which("jq") is None and not os.environ.get("CI"):
        pytest.skip("jq is not here")
    (pipeline,) = re.findall(r"^    (dpif .* jq .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    tcp = "in_port({}),eth(),eth_type(0x0800),ipv4(proto=6),tcp(dst=80),tcp_flags(0/0)"
    script = f"""
        dpif serve --detach
        trap 'dpif serve --stop' EXIT
        dpif add-dp netdev@br0
        dpif add-flow netdev@br0 '{tcp.format(1)}' 2
        dpif add-flow netdev@br0 'ufid:00112233-4455-6677-8899-aabbccddeeff,{tcp.format(2)}' 1
        dpif dump-flows netdev@br0 >before
        {pipeline.replace("dp0", "netdev@br0")}
        dpif dump-flows netdev@br0 >after
    """
    subprocess.run(["bash", "-ec", script], cwd=tmp_path, env=environ(tmp_path), check=True, timeout=120)
    assert len((tmp_path / "before").read_text().splitlines()) == 2
    assert (tmp_path / "after").read_text() == ""
