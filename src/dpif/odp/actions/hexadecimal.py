"""Bytes as one hexadecimal number, the form that Open vSwitch gives to metadata and cookies (ds_put_hex)."""

from __future__ import annotations

import re

from dpif.odp.model.attrs import Style
from dpif.odp.model.scanner import Scanner

_HEX = re.compile(r"0x[0-9a-fA-F]++|[0-9a-fA-F]++")


def show_hex(data: bytes, style: Style) -> str:
    """Return `data` as a hexadecimal number.

    It has no leading zeros, and is a bare ``0`` when all bytes are zero, unless the style is exact.
    """
    if style.exact and data:
        return f"0x{data.hex()}"
    return f"0x{data.hex().lstrip('0')}" if any(data) else "0"


def scan_hex(scanner: Scanner, longest: int) -> bytes:
    """Take the bytes that a hexadecimal number stands for, at most `longest`; a bare ``0`` is one zero byte.

    The ``0x`` in front may be left out of whole bytes.
    """
    start = scanner.position
    number = scanner.require(_HEX, "0x and hexadecimal digits")
    digits = number.removeprefix("0x")
    if len(digits) % 2:
        if digits == number != "0":
            scanner.fail("expected pairs of hexadecimal digits", f"a number is written 0x{digits}", start)
        digits = f"0{digits}"
    data = bytes.fromhex(digits)
    if len(data) > longest:
        scanner.fail(f"{len(data)} bytes are too many", f"at most {longest}", start)
    return data
