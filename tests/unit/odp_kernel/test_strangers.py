"""A description that gains an attribute which nothing reads: what asks for it is refused, not taken without it."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

import pytest

import dpif
from dpif.client import Datapath
from dpif.errors import NetlinkError
from dpif.odp.actions import Action, CheckPktLen, Ct, Nat, Psample, PushNsh, Sample, Userspace
from dpif.odp.kernel.check import explain_actions
from dpif.odp.kernel.match import explain_match, from_match, metadata
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.model.attrs import Scalar
from dpif.odp.model.key import FlowKey, parse_key, parse_match
from dpif.odp.model.kinds import U32X
from dpif.odp.model.nest import Attr, Attributes
from dpif.odp.model.nsh import Nsh, NshBase, NshContext
from dpif.odp.model.tunnel import Tunnel
from dpif.userspace.underlays.memory import MemoryUnderlay

MATCH = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
NEW = 40


def add_attribute(monkeypatch: pytest.MonkeyPatch, cls: type[Attributes]) -> None:
    """Give a class the attribute ``strange(0x1)``."""
    attr: Attr[int] = Attr(NEW, Scalar(U32X, "="), "strange")  # type: ignore[arg-type]  # the number is made up
    attr.name = "strange"
    monkeypatch.setitem(cls.ATTRS, NEW, attr)
    for names in (cls._by_name, cls._by_text_name):
        monkeypatch.setitem(names, "strange", attr)


class TestInKeys:
    """One of `FlowKey`."""

    @pytest.fixture(autouse=True)
    def _new_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        add_attribute(monkeypatch, FlowKey)

    @pytest.fixture
    def dp(self) -> Iterator[Datapath]:
        with dpif.Userspace(underlay=MemoryUnderlay("192.0.2.1")) as us, us.open("br0", create=True) as dp:
            dp.ports.add(us.device("h1").name)
            yield dp

    def test_it_is_described(self) -> None:
        key = parse_key(f"strange(0x1),{MATCH}")
        assert parse_key(str(FlowKey.from_bytes(key.to_bytes()))) == key

    @pytest.mark.parametrize(
        "match",
        [
            f"strange(0x1),{MATCH}",
            "eth(),eth_type(0x8100),vlan(vid=5),encap(strange(0x1),eth_type(0x0800),ipv4())",
        ],
    )
    def test_a_flow_that_matches_it(self, dp: Datapath, match: str) -> None:
        key, mask = parse_match(match)
        for one in (mask, None):
            with pytest.raises(RuleBroken, match="knows no attribute strange"):
                from_match(key, one)
        with pytest.raises(NetlinkError, match="knows no attribute strange") as caught:
            dp.flows.add(key, "1", mask)
        assert caught.value.errno == errno.EINVAL
        assert list(dp.flows) == []

    def test_a_mask_that_has_it(self) -> None:
        broken = explain_match(parse_key(MATCH), FlowKey(strange=1))
        assert broken is not None
        assert broken.rule == "unknown-attribute"

    def test_a_packet_that_is_said_to_have_it(self, dp: Datapath) -> None:
        key = FlowKey(in_port=1, strange=1)
        with pytest.raises(RuleBroken, match="knows no attribute strange"):
            metadata(key)
        with pytest.raises(NetlinkError):
            dp.execute(bytes(60), "1", key)

    def test_set(self, dp: Datapath) -> None:
        with pytest.raises(NetlinkError, match=r"strange\(\.\.\.\) cannot be set"):
            dp.flows.add(MATCH, "set(strange(0x1)),1")


NSH_BASE = NshBase(mdtype=1, np=3, ttl=63)


@pytest.mark.parametrize(
    ("cls", "make"),
    [
        (Tunnel, lambda: FlowKey(tunnel=Tunnel(dst="1.1.1.1", ttl=64, strange=1), eth={}, eth_type=0x0806, arp={})),
        (Nsh, lambda: FlowKey(eth={}, eth_type=0x894F, nsh=Nsh(base=NSH_BASE, strange=1))),
        (Nsh, lambda: PushNsh(Nsh(base=NSH_BASE, md1=NshContext(), strange=1))),
        (Ct, lambda: Ct(commit=True, strange=1)),
        (Nat, lambda: Ct(commit=True, nat=Nat(src=True, strange=1))),
        (Sample, lambda: Sample(probability=1, actions=[], strange=1)),
        (Psample, lambda: Psample(group=1, strange=1)),
        (Userspace, lambda: Userspace(pid=5, strange=1)),
        (CheckPktLen, lambda: CheckPktLen(size=9, greater=[], less_equal=[], strange=1)),
    ],
)
def test_in_other_nests(
    monkeypatch: pytest.MonkeyPatch, cls: type[Attributes], make: Callable[[], FlowKey | Action]
) -> None:
    add_attribute(monkeypatch, cls)
    made = make()
    key, actions = (made, []) if isinstance(made, FlowKey) else (parse_key(MATCH), [made])
    broken = explain_actions(actions, key)
    assert broken is not None
    assert broken.rule in ("unknown-attribute", "nsh-metadata")
