"""The headers of tunnels, against the pictures of their RFCs."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError
from dpif.packet.encapsulation import Geneve, Gre, Vxlan

PACKET = b"an Ethernet packet"


def test_vxlan() -> None:
    assert Vxlan(0x123456).pack(PACKET) == bytes.fromhex("0800000012345600") + PACKET
    assert Vxlan.read(Vxlan(0x123456).pack(PACKET)) == (Vxlan(0x123456), PACKET)


def test_a_group_policy_has_an_id_and_two_flags() -> None:
    packed = Vxlan(1, 0x00481234).pack(PACKET)
    assert packed == bytes.fromhex("8848123400000100") + PACKET
    assert Vxlan.read(packed, may_have_policy=True) == (Vxlan(1, 0x00481234), PACKET)
    assert Vxlan(1, 0xFFFFFFFF).pack(PACKET) == bytes.fromhex("8848ffff00000100") + PACKET
    assert Vxlan(1, 0).pack(PACKET) == Vxlan(1).pack(PACKET)
    with pytest.raises(DecodeError, match="not known"):
        Vxlan.read(packed)


def test_geneve() -> None:
    header = Geneve(0x123456, True, True, bytes.fromhex("010280010a0b0c0d"))
    packed = header.pack(PACKET)
    assert packed == bytes.fromhex("02c0655812345600010280010a0b0c0d") + PACKET
    assert Geneve.read(packed) == (header, PACKET)


@pytest.mark.parametrize(
    ("header", "packed"),
    [
        (Gre(), "00006558"),
        (Gre(0x01020304), "2000655801020304"),
        (Gre(None, True), None),
        (Gre(7, True), None),
    ],
)
def test_gre(header: Gre, packed: str | None) -> None:
    whole = header.pack(PACKET)
    assert packed is None or whole == bytes.fromhex(packed) + PACKET
    assert Gre.read(whole) == (header, PACKET)


def test_a_sequence_number_of_gre_is_passed_over() -> None:
    assert Gre.read(bytes.fromhex("300065580000000500000009") + PACKET) == (Gre(5), PACKET)


@pytest.mark.parametrize("change", [0, 5, 12, -1])
def test_a_wrong_checksum_of_gre(change: int) -> None:
    packed = bytearray(Gre(7, True).pack(PACKET))
    packed[change] ^= 1
    with pytest.raises(DecodeError):
        Gre.read(bytes(packed))


@pytest.mark.parametrize("header", [Vxlan, Geneve, Gre])
def test_headers_that_are_cut(header: type[Vxlan | Geneve | Gre]) -> None:
    for size in range(4 if header is Gre else 8):
        with pytest.raises(DecodeError, match="ends before"):
            header.read(bytes.fromhex("0800655800000500")[:size])
