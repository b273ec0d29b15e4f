"""The Internet checksum (RFC 1071), its incremental update (RFC 1624), and SCTP's CRC-32C.

Plain arithmetic on bytes; where the bytes lie in a packet is known in `layout` and `edit`.

A checksum is the complement of a ones' complement sum of 16-bit words. Such a sum is arithmetic modulo 0xffff in
which zero has two forms, and all words together are one big number to the same modulus, since 2**16 is 1 there:
a whole packet is summed by one ``int.from_bytes`` and one ``%``.
"""

from __future__ import annotations

from functools import cache

from dpif._typing import TypeAlias

__all__ = ["Buffer", "checksum", "crc32c", "ones_complement_sum", "pseudo_header_sum", "update"]

Buffer: TypeAlias = bytes | bytearray | memoryview


def ones_complement_sum(data: Buffer, initial: int = 0) -> int:
    """Return the ones' complement sum (0 to 0xffff) of `data` and `initial`; odd data count as padded by a zero.

    Zero comes out only when every bit summed was zero; otherwise it is written 0xffff, as adding with carries
    would give.
    """
    number = int.from_bytes(data)
    if len(data) & 1:
        number <<= 8
    number += initial
    return number % 0xFFFF or (0xFFFF if number else 0)


def checksum(data: Buffer, initial: int = 0) -> int:
    """Return the Internet checksum of `data`, to which `initial` (of a pseudo header) was added.

    0 means that `data` hold a right checksum, when they were summed with their checksum field in place.
    """
    return 0xFFFF - ones_complement_sum(data, initial)


def pseudo_header_sum(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """Return the sum of the pseudo header of TCP, UDP (RFC 768) or ICMPv6 (RFC 8200 section 8.1).

    Addresses of 4 or of 16 bytes; the two layouts have the same sum. `length` is the transport header's and
    payload's together.
    """
    return ones_complement_sum(source + destination, protocol + length)


def update(check: int, old: int, new: int, bits: int = 16) -> int:
    """Return checksum `check` after a field of `bits` bits changed from `old` to `new` (RFC 1624, equation 3).

    The field starts at an even offset. Never returns 0xffff, as Linux does not: of zero's two forms a sum with
    any bit set takes 0xffff, the checksum of which is 0.
    """
    number = (check ^ 0xFFFF) + ((1 << bits) - 1 - old) + new
    return 0xFFFF - (number % 0xFFFF or 0xFFFF)


@cache
def _crc32c_table() -> tuple[int, ...]:
    """Return the CRC of each byte for the Castagnoli polynomial, reflected (RFC 9260 appendix A)."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def crc32c(data: Buffer) -> int:
    """Return the CRC-32C of `data`. SCTP carries it in little-endian order."""
    table = _crc32c_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
