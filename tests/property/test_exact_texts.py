"""Text tells a value whole: `str` of any key, mask, list of actions or UFID is read as that very value.

The values are not those of `dpif.testing.strategies`, which a text of their own can tell. They are whatever bytes can
be decoded: with bits that no kernel knows, options cut short, attributes and actions that are not known.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from dpif.client.values import encode_match
from dpif.errors import DecodeError
from dpif.netlink.attributes import attribute
from dpif.odp.actions import Action, Actions, Drop, SetMasked, Unknown, Userspace, parse_actions
from dpif.odp.constants import ActionAttr, KeyAttr, NshKeyAttr, TunnelKeyAttr, VxlanExt
from dpif.odp.model.attrs import Style
from dpif.odp.model.key import FlowKey, FlowMask, parse_key, parse_match
from dpif.odp.model.layers import Vlan
from dpif.odp.model.ufid import Ufid
from dpif.testing.strategies import action_lists, matches

EXACT = Style(verbose=True, exact=True)
NESTS = {KeyAttr.ENCAP: KeyAttr, KeyAttr.TUNNEL: TunnelKeyAttr, KeyAttr.NSH: NshKeyAttr}
SIZES = st.sampled_from([0, 1, 2, 4, 6, 8, 12, 13, 16, 20, 28, 40])
"""Those of most attributes, and a few others."""


def payloads(number: int, numbers: type = KeyAttr) -> SearchStrategy[bytes]:
    """Payloads of an attribute: random bytes, mostly zeros, of a length that it may have; attributes in a nest."""
    if numbers is KeyAttr and number in NESTS:
        return st.deferred(lambda: nests(NESTS[number]))  # type: ignore[index]
    if numbers is TunnelKeyAttr and number == TunnelKeyAttr.VXLAN_OPTS:
        return nests(VxlanExt)
    few = st.sampled_from([b"\0"] * 6 + [b"\1", b"\2", b"\x08", b"\x7f", b"\xff"]) | st.binary(min_size=1, max_size=1)
    return SIZES.flatmap(lambda size: st.lists(few, min_size=size, max_size=size).map(b"".join))


@st.composite
def nests(draw: st.DrawFn, numbers: type = KeyAttr) -> bytes:
    """A few attributes, each of them once, one perhaps unknown."""
    known = sorted(int(number) for number in numbers)  # type: ignore[attr-defined]
    chosen = draw(st.lists(st.sampled_from(known) | st.integers(40, 0x3FFF), unique=True, max_size=4))
    return b"".join([attribute(number, draw(payloads(number, numbers))) for number in chosen])


def decoded(data: bytes) -> FlowKey | None:
    try:
        return FlowKey.from_bytes(data)
    except DecodeError:
        return None


def one_by_one(number: int) -> SearchStrategy[FlowKey]:
    return payloads(number).map(lambda data: decoded(attribute(number, data))).filter(lambda key: key is not None)


NUMBERS = st.sampled_from(sorted(FlowKey.ATTRS)) | st.integers(40, 0x3FFF)
SINGLES: SearchStrategy[FlowKey] = NUMBERS.flatmap(one_by_one)
KEYS = st.lists(SINGLES, max_size=4).map(
    lambda keys: FlowKey.of_kept({number: kept for key in keys for number, kept in key.kept()})
)


@st.composite
def any_matches(draw: st.DrawFn) -> tuple[FlowKey, FlowMask]:
    """Keys, and masks of the same attributes; some of their own length, some of another."""
    key = draw(KEYS)
    masks: dict[int, object] = {}
    for number, kept in key.kept():
        type_ = key.type_of(number)
        size = len(type_.encode(kept))
        data = draw(st.binary(min_size=size, max_size=size) | st.just(bytes(size)) | payloads(number))
        mask = decoded(attribute(number, data))
        ends = st.sampled_from([type_.full(kept), type_.zero(kept)])
        masks[number] = draw(ends) if mask is None else mask.get_kept(number)
    return key, FlowMask.of_kept(masks)


@st.composite
def any_actions(draw: st.DrawFn) -> Actions:
    """Actions of any payload that can be decoded: that of a usual one with bytes changed, or random ones."""
    actions: list[Action] = []
    for usual in [*draw(action_lists()), Unknown(draw(st.integers(1, 0x3FFF)), draw(st.binary(max_size=9)))]:
        data = bytearray(usual.payload())
        for _ in range(draw(st.integers(0, 2))):
            if data:
                data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        number = usual.type if isinstance(usual, Unknown) else usual.number
        try:
            actions += Actions.from_bytes(attribute(number, bytes(data)))
        except DecodeError:
            actions += [] if isinstance(usual, Unknown) else [usual]
    return Actions(actions)


@given(KEYS)
def test_a_key_or_mask_is_read_from_its_text(key: FlowKey) -> None:
    assert parse_key(str(key)) == key
    assert parse_key(str(FlowMask.of_kept(dict(key.kept())))) == key


@given(any_matches() | matches())
@example((FlowKey(vlan=Vlan(cfi=0)), FlowMask(vlan=Vlan(vid=5, cfi=0))))
def test_a_match_is_read_from_its_exact_text(match: tuple[FlowKey, FlowMask]) -> None:
    key, mask = match
    assert parse_match(key.show(mask, EXACT)) == (key, mask)


@given(any_actions() | action_lists())
@example(Actions([Drop()]))
@example(Actions([Drop(42), Drop()]))
@example(Actions([Userspace(pid=1)]))
@example(Actions([Unknown(99, b"")]))
@example(Actions([SetMasked(FlowKey(in_port=1), FlowMask(in_port=0xFFFFFFFF))]))
def test_actions_are_read_from_their_text(actions: Actions) -> None:
    assert parse_actions(str(actions)) == actions
    for action in actions:
        assert parse_actions(str(action)) == (action,)


@given(st.integers(1, max(ActionAttr) + 2), st.binary(max_size=24))
def test_any_payload_of_an_action_that_can_be_decoded_can_be_read(number: int, data: bytes) -> None:
    try:
        actions = Actions.from_bytes(attribute(number, data))
    except DecodeError:
        return
    assert parse_actions(str(actions)) == actions


@given(st.binary(min_size=1, max_size=16))
def test_an_identifier_is_read_from_its_text(data: bytes) -> None:
    assert Ufid(str(Ufid(data))) == data


@given(any_actions())
def test_what_the_tool_would_print_is_read_too(actions: Actions) -> None:
    """It leaves out what is told above, but it is no riddle."""
    shown = actions.format()
    if "error" not in shown and "Unknown hash" not in shown:
        assert isinstance(parse_actions(shown), Actions)


@given(matches())
def test_a_mask_is_put_by_its_text(match: tuple[FlowKey, FlowMask]) -> None:
    key, mask = match
    found = encode_match(key, str(mask)).mask
    assert found is not None
    assert FlowMask.from_bytes(found) == mask.without_packet_type()
