"""The public surface: every name is there, documented, and cheap until it is used."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import dpif


def test_every_name_of_the_door_loads() -> None:
    for name in dpif.__all__:
        assert getattr(dpif, name) is not None, name
    assert set(dpif.__all__) <= set(dir(dpif))


def test_importing_the_door_loads_little() -> None:
    code = "import sys, dpif; print(sum(name.startswith('dpif') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 5


def test_a_module_does_not_hide_the_function_of_its_name() -> None:
    importlib.import_module("dpif._open")
    assert inspect.isfunction(dpif.open)


def test_every_module_says_what_it_owns() -> None:
    for module in pkgutil.walk_packages(dpif.__path__, "dpif."):
        if module.name.endswith("__main__"):
            continue
        loaded = importlib.import_module(module.name)
        assert loaded.__doc__, module.name
        for name in getattr(loaded, "__all__", ()):
            assert hasattr(loaded, name), f"{module.name}.{name}"
