"""Makes tests/uapi/newest.txt: the numbers in the newest kernel's headers, which this machine may not have.

::

    python tools/uapi_record.py VERSION DIRECTORY    # such as 7.2 usr/include/linux of Debian's newest linux-libc-dev

A line has a header, a name and its number. Of names the members of enums are taken, those for kernel code aside, and
the bits that ``#define`` names. `members` reads a header; the test that compares our constants uses it, too.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

RECORD = Path(__file__).parent.parent / "tests" / "uapi" / "newest.txt"
HEADERS = ("openvswitch.h", "psample.h")

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_KERNEL_CODE = re.compile(r"#ifdef __KERNEL__.*?#endif", re.DOTALL)
_ENUM = re.compile(r"enum\s*\w*\s*\{(.*?)\}", re.DOTALL)
_BITS = re.compile(r"#define\s+(\w+_F_\w+)\s+(\(1 << (\d+)\)|0x[0-9a-f]+)")


def members(header: str) -> dict[str, int]:
    """Return every name in the text of a header with its number."""
    text = _KERNEL_CODE.sub("", _COMMENT.sub("", header))
    found = {name: 1 << int(shift) if shift else int(value, 16) for name, value, shift in _BITS.findall(text)}
    for body in _ENUM.findall(text):
        number = -1
        for item in filter(None, (part.strip() for part in body.split(","))):
            name, _, value = (part.strip() for part in item.partition("="))
            number = int(value, 0) if value.isdigit() or value.startswith("0x") else number + 1
            if not name.startswith("__"):
                found[name] = number
    return found


def main() -> int:
    """Write the record."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    version, directory = sys.argv[1], Path(sys.argv[2])
    lines = [f"# The numbers in the headers of Linux {version}; made by tools/uapi_record.py."]
    for header in HEADERS:
        lines += (f"{header} {name} {number}" for name, number in members((directory / header).read_text()).items())
    RECORD.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
