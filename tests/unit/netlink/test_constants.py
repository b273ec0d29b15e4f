"""The constants are compared with the C headers, by asking the compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dpif.netlink import constants

# Not numbers of a uapi header: the kernel's own, a name, or computed.
NOT_UAPI = {"MAX_ERRNO", "CTRL_FAMILY", "CTRL_VERSION", "NLA_MAX_PAYLOAD"}

PROGRAM = """
#include <stdio.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <linux/genetlink.h>
int main(void) {{
{lines}
    return 0;
}}
"""


def uapi_names() -> list[str]:
    return [name for name in vars(constants) if name.isupper() and name not in NOT_UAPI]


def test_constants_are_those_of_the_headers(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/usr/include/linux/genetlink.h").exists():
        pytest.skip("no C compiler, or no kernel headers")
    names = uapi_names()
    # SOL_NETLINK stands in libc's headers, which define it only for some feature sets.
    lines = "\n".join(f'    printf("{name} %ld\\n", (long)({name}));' for name in names)
    source = tmp_path / "constants.c"
    source.write_text("#define _GNU_SOURCE\n" + PROGRAM.format(lines=lines))
    program = tmp_path / "constants"
    subprocess.run([compiler, "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    expected = {name: int(value) for name, value in (line.split() for line in output.splitlines())}
    assert len(expected) > 50
    # The headers write the type mask as a negative int; only its 16 bits count.
    expected["NLA_TYPE_MASK"] &= 0xFFFF
    assert {name: getattr(constants, name) for name in names} == expected
