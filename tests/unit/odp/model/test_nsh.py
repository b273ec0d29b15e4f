"""The network service header, as a key and pushed."""

from __future__ import annotations

import pytest

from dpif.errors import ParseError
from dpif.odp.actions import Actions, PushNsh, parse_actions
from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_match
from dpif.odp.model.nsh import Nsh, NshBase, NshContext


def test_key_and_mask_have_metadata_when_its_type_says_so() -> None:
    key, mask = parse_match("nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x10,si=255,c1=0x1,c4=0x4)")
    assert key.to_bytes() == bytes.fromhex(
        "24001c00 0c000100 003f0103 000010ff 14000200 00000001 00000000 00000000 00000004"
    )
    assert mask.to_bytes() == bytes.fromhex(
        "24001c00 0c000100 ffffffff ffffffff 14000200 ffffffff 00000000 00000000 ffffffff"
    )
    key, mask = parse_match("nsh(mdtype=2)")
    assert key.nsh == Nsh(base=NshBase(mdtype=2))
    assert mask.nsh == Nsh(base=NshBase(mdtype=0xFF))
    key, mask = parse_match("nsh(spi=0x1,si=255)")
    assert (key.nsh, mask.nsh) == (Nsh(base=NshBase(spi=1, si=255)), Nsh(base=NshBase(spi=0xFFFFFF, si=255)))


def test_who_matches_metadata_says_what_type_it_is() -> None:
    key, mask = parse_match("nsh(c2=0x5)")
    assert key.nsh == Nsh(base=NshBase(mdtype=1), md1=NshContext(c2=5))
    assert mask.nsh == Nsh(base=NshBase(), md1=NshContext(c2=0xFFFFFFFF))


def test_metadata_that_the_tool_makes_up_is_passed_over() -> None:
    assert parse_match("nsh(mdtype=2,spi=0x5,c1=0x0,c2=0x0,c3=0x0,c4=0x0)") == parse_match("nsh(mdtype=2,spi=0x5)")


@pytest.mark.parametrize(
    "text",
    [
        "nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x10,si=255,c1=0x1,c2=0x0,c3=0x0,c4=0x4)",
        "nsh(flags=0x00/0x3f,ttl=0x3f/0xf0,mdtype=1,spi=0x10/0x000000ff,si=0x03/0x03,c1=0x100/0x0000ff00)",
        "nsh(mdtype=2,spi=0x5)",
        "nsh(np=1,spi=0x10,si=255)",
        "nsh(c2=0x5)",
    ],
)
def test_what_is_printed_can_be_read(text: str) -> None:
    key, mask = parse_match(text)
    assert format_key(key, mask) == text


def test_what_key_or_mask_lacks_is_not_shown() -> None:
    key = FlowKey(nsh=Nsh(base=NshBase(mdtype=2, np=1)))
    mask = FlowMask(nsh=Nsh(base=NshBase(np=255), md1=NshContext(c1=0xFFFFFFFF)))
    assert format_key(key, mask) == "nsh(np=1)"
    assert format_key(FlowKey(nsh=Nsh(base=NshBase(mdtype=1), md1=NshContext(c1=1))), mask) == "nsh(np=0,c1=0x1)"
    assert format_key(FlowKey(nsh=Nsh(md1=NshContext(c1=1))), FlowMask(nsh=Nsh())) == "nsh()"
    assert str(key) == "nsh(flags=0,ttl=0,mdtype=2,np=1,spi=0x0,si=0)"


def test_metadata_of_type_1_does_not_go_with_another_type() -> None:
    with pytest.raises(ParseError, match="c1 to c4 go with mdtype=1"):
        parse_match("nsh(mdtype=2,c1=0x1)")


def test_a_header_can_be_pushed_with_metadata_of_either_type() -> None:
    (action,) = parse_actions("push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x10,si=255,md2=0x10000a041234)")
    assert action == PushNsh(
        Nsh(base=NshBase(ttl=63, mdtype=2, np=3, spi=0x10, si=255), md2=bytes.fromhex("10000a0412340000"))
    )
    assert action.to_bytes() == bytes.fromhex(
        "20001100 1c001c00 0c000100 003f0203 000010ff 0c000300 10000a04 12340000"
    )
    unknown = PushNsh(Nsh(base=NshBase(mdtype=5)))
    assert Actions([unknown]).format() == "push_nsh(flags=0,ttl=0,mdtype=5,np=0,spi=0x0,si=0,<error: unknown mdtype>)"
