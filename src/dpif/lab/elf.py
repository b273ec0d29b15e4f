"""Makes a program run by another dynamic loader than the system's, such as the one of a newer libc.

Owns the one change in the file that this takes: the name of its interpreter. The new name is relative to the
directory in which the program is started, hence short, and replaces the old one where it stands: nothing moves.
"""

from __future__ import annotations

import struct

__all__ = ["LOADER", "with_own_loader"]

#: The interpreter's name after the change: looked for where the program is started.
LOADER = "ld.so"

_PT_INTERP = 3
#: p_type, then, behind flags, p_offset; two addresses; p_filesz (``Elf64_Phdr``).
_PROGRAM_HEADER = struct.Struct("<I4xQ16xQ16x")


def with_own_loader(program: bytes) -> bytes:
    """Return the 64-bit ELF file `program` with `LOADER` as its interpreter; raise ValueError when it has none."""
    if program[:5] != b"\x7fELF\x02":
        raise ValueError("not a 64-bit ELF file")
    (offset,) = struct.unpack_from("<Q", program, 32)
    size, count = struct.unpack_from("<HH", program, 54)
    for number in range(count):
        kind, start, length = _PROGRAM_HEADER.unpack_from(program, offset + number * size)
        if kind == _PT_INTERP and length > len(LOADER):
            return program[:start] + LOADER.encode().ljust(length, b"\0") + program[start + length :]
    raise ValueError("no program with an interpreter")
