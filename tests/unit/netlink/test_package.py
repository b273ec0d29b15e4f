"""The package's door: every name is there, and none is paid for before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dpif.netlink


def test_every_name_leads_to_its_definition() -> None:
    for name in dpif.netlink.__all__:
        value = getattr(dpif.netlink, name)
        if isinstance(value, type):
            assert value.__module__.startswith("dpif.netlink.")
            assert value.__doc__
    assert set(dpif.netlink.__all__) <= set(dir(dpif.netlink))


def test_no_other_name() -> None:
    with pytest.raises(AttributeError, match=r"module 'dpif\.netlink' has no attribute 'Sprocket'"):
        dpif.netlink.Sprocket  # noqa: B018


def test_importing_the_package_imports_none_of_its_modules() -> None:
    code = (
        "import sys, dpif.netlink\n"
        "print(*(name for name in sys.modules if name.startswith('dpif.netlink.')))\n"
        "dpif.netlink.RawAttr\n"
        "print('dpif.netlink.attributes' in sys.modules, 'dpif.netlink.socket' in sys.modules)\n"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output == "\nTrue False\n"
