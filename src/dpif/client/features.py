"""What a datapath can do, found out without leaving anything behind.

Open vSwitch finds out by installing flows and deleting them again. Here nothing is installed: a GET of a flow that
is not there says ENOENT where the datapath knows all fields of the key and EINVAL where it does not; a packet
executed with actions inside a sample of probability 0 has them checked and never carried out. What has no such
probe is told by the highest attribute number that a family knows.

It takes the rights that `Datapath.execute` takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from dpif._typing import Any
from dpif.client.operations import Execute
from dpif.errors import NetlinkError, NoSuchObject, PermissionDenied, Unavailable
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request
from dpif.odp.actions import Action, Ct, Drop, Sample, Trunc, parse_actions
from dpif.odp.constants import (
    OVS_CT_LIMIT_FAMILY,
    OVS_DATAPATH_FAMILY,
    OVS_METER_FAMILY,
    OVS_PACKET_FAMILY,
    OVS_VPORT_FAMILY,
    ActionAttr,
    DatapathAttr,
    FlowCmd,
    PacketAttr,
    VportAttr,
)
from dpif.odp.kernel import rules
from dpif.odp.messages.datapath import DatapathRecord
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.key import FlowKey, parse_key
from dpif.odp.model.ufid import Ufid

__all__ = ["Features", "probe_features"]

_MAX_LABELS = 3
"""More labels than this no datapath takes (MPLS_LABEL_DEPTH)."""
_MAX_SAMPLES = 10
"""How deep samples are tried."""
_PACKET = bytes.fromhex(
    "020000000002 020000000001 0800 4500001c 00000000 4011 0000 0a000001 0a000002 0001 0002 0008 0000"
)
_IPV4 = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
_IPV6 = "in_port(1),eth(),eth_type(0x86dd),ipv6(proto=17,frag=no),udp()"


@dataclass(frozen=True, slots=True)
class Features:
    """What a datapath can do.

    Of flows: ``ufid`` names them. Of keys: ``recirc``, ``mpls_depth`` labels, ``layer3`` packets without Ethernet,
    ``ct_state`` to ``ct_orig_tuple6``, ``ipv6_exthdrs``. Of actions: those named so; ``set_masked`` sets a part of a
    header, ``nat`` is what ``ct`` does, ``sample_nesting`` is how deep samples may lie in each other (10 may mean
    more). Of the datapath: ``per_cpu_dispatch`` of upcalls, ``masks_cache``, ``upcall_stats`` of ports,
    ``packet_hash`` with upcalls, ``upcall_pid`` of a packet that is executed, ``ifindex`` of a new datapath or
    internal port to choose, ``meters`` and ``ct_limits``.
    """

    ufid: bool
    recirc: bool
    mpls_depth: int
    layer3: bool
    ct_state: bool
    ct_zone: bool
    ct_mark: bool
    ct_label: bool
    ct_orig_tuple: bool
    ct_orig_tuple6: bool
    ipv6_exthdrs: bool
    set_masked: bool
    trunc: bool
    clone: bool
    sample_nesting: int
    ct: bool
    nat: bool
    ct_clear: bool
    ct_eventmask: bool
    ct_timeout: bool
    check_pkt_len: bool
    add_mpls: bool
    push_nsh: bool
    meter: bool
    dec_ttl: bool
    hash_sym_l4: bool
    drop: bool
    psample: bool
    per_cpu_dispatch: bool
    masks_cache: bool
    upcall_stats: bool
    packet_hash: bool
    upcall_pid: bool
    ifindex: bool
    meters: bool
    ct_limits: bool

    def rules(self) -> rules.Features:
        """Return what decides by which rules the datapath takes a flow."""
        actions = [action for name, action in _BY_AGE.items() if getattr(self, name)]
        return rules.Features(
            ct_zones=self.ct_zone,
            ct_timeout=self.ct_timeout,
            nat=self.nat,
            newest_action=max(actions, default=ActionAttr.POP_MPLS),
            hash_sym_l4=self.hash_sym_l4,
            upcall_stats=self.upcall_stats,
            upcall_pid=self.upcall_pid,
        )


_BY_AGE = {
    "set_masked": ActionAttr.SET_MASKED,
    "ct": ActionAttr.CT,
    "trunc": ActionAttr.TRUNC,
    "ct_clear": ActionAttr.CT_CLEAR,
    "push_nsh": ActionAttr.POP_NSH,
    "meter": ActionAttr.METER,
    "clone": ActionAttr.CLONE,
    "check_pkt_len": ActionAttr.CHECK_PKT_LEN,
    "add_mpls": ActionAttr.ADD_MPLS,
    "dec_ttl": ActionAttr.DEC_TTL,
    "drop": ActionAttr.DROP,
    "psample": ActionAttr.PSAMPLE,
}
"""The newest action of the first kernel that has a feature."""


def probe_features(connection: Connection, datapath: DatapathRecord) -> Features:
    """Find out what the datapath of `datapath` can do; raise `PermissionDenied`, `NoSuchObject`."""
    keys, actions = _key_probes(), _action_probes()
    requests: dict[str, Request[Any]] = {"ufid": _get(datapath.dp_ifindex, FlowRecord(ufid=Ufid.random()))}
    for name, key in keys.items():
        requests[name] = _get(datapath.dp_ifindex, FlowRecord(key=key.to_bytes()))
    for name, listed in actions.items():
        requests[name] = Execute(_PACKET, listed, FlowKey(in_port=0), probe=True).request(datapath.dp_ifindex)
    answers = connection.batch(list(requests.values()))
    known = {name: _is_known(answer) for name, answer in zip(requests, answers, strict=True)}
    flags = {name: found for name, found in known.items() if name in Features.__slots__}
    return Features(
        **flags,
        mpls_depth=_depth(known, "mpls"),
        sample_nesting=_depth(known, "sample"),
        per_cpu_dispatch=_knows(connection, OVS_DATAPATH_FAMILY, DatapathAttr.PER_CPU_PIDS),
        masks_cache=datapath.masks_cache_size is not None,
        upcall_stats=_knows(connection, OVS_VPORT_FAMILY, VportAttr.UPCALL_STATS),
        packet_hash=_knows(connection, OVS_PACKET_FAMILY, PacketAttr.HASH),
        upcall_pid=_knows(connection, OVS_PACKET_FAMILY, PacketAttr.UPCALL_PID),
        ifindex=_knows(connection, OVS_DATAPATH_FAMILY, DatapathAttr.IFINDEX),
        meters=_has_family(connection, OVS_METER_FAMILY),
        ct_limits=_has_family(connection, OVS_CT_LIMIT_FAMILY),
    )


def knows_zones(connection: Connection, dp_ifindex: int) -> bool:
    """Tell whether keys may have a conntrack zone, by a GET alone, which takes no rights."""
    key = parse_key(_IPV4).replace(ct_zone=1)
    (answer,) = connection.batch([_get(dp_ifindex, FlowRecord(key=key.to_bytes()))])
    return _is_known(answer)


def _key_probes() -> dict[str, FlowKey]:
    """Return for each feature of keys a key that takes it."""
    ipv4, ipv6 = parse_key(_IPV4), parse_key(_IPV6)
    label = "label=1,tc=0,ttl=64,bos={}"
    stacks = {
        f"mpls{depth}": ",".join(label.format(int(index == depth)) for index in range(1, depth + 1))
        for depth in range(1, _MAX_LABELS + 1)
    }
    return {
        "recirc": ipv4.replace(recirc_id=1),
        "layer3": ipv4.replace(eth=None),
        "ct_state": ipv4.replace(ct_state=0x20),
        "ct_zone": ipv4.replace(ct_zone=1),
        "ct_mark": ipv4.replace(ct_mark=1),
        "ct_label": ipv4.replace(ct_label=1),
        "ct_orig_tuple": parse_key(f"ct_tuple4(src=10.0.0.1,dst=10.0.0.2,proto=17,tp_src=1,tp_dst=2),{_IPV4}"),
        "ct_orig_tuple6": parse_key(f"ct_tuple6(src=::1,dst=::2,proto=17,tp_src=1,tp_dst=2),{_IPV6}"),
        "ipv6_exthdrs": ipv6.replace(ipv6_exthdrs=bytes(2)),
        **{name: parse_key(f"in_port(1),eth(),eth_type(0x8847),mpls({text})") for name, text in stacks.items()},
    }


def _action_probes() -> dict[str, list[Action]]:
    """Return for each action a list that holds it and does nothing."""
    texts = {
        "set_masked": "set(eth(src=02:00:00:00:00:00/ff:00:00:00:00:00))",
        "clone": "clone(1)",
        "ct": "ct(commit)",
        "nat": "ct(nat)",
        "ct_clear": "ct_clear",
        "ct_timeout": "ct(commit,timeout=dpif)",
        "check_pkt_len": "check_pkt_len(size=100,gt(1),le(1))",
        "add_mpls": "add_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)",
        "push_nsh": "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1,si=255,c1=0x1,c2=0x1,c3=0x1,c4=0x1)",
        "meter": "meter(0)",
        "dec_ttl": "dec_ttl(le_1(1))",
        "hash_sym_l4": "hash(sym_l4(0))",
        "psample": "psample(group=1)",
    }
    probes = {name: _never(parse_actions(text)) for name, text in texts.items()}
    probes["trunc"] = _never([Trunc(100)])
    probes["drop"] = _never([Drop(0)])
    probes["ct_eventmask"] = _never([Ct(commit=True, eventmask=1)])
    nested: list[Action] = []
    for depth in range(1, _MAX_SAMPLES + 1):
        nested = _never(nested)
        probes[f"sample{depth}"] = nested
    return probes


def _never(actions: Iterable[Action]) -> list[Action]:
    return [Sample(probability=0, actions=list(actions))]


def _get(dp_ifindex: int, record: FlowRecord) -> Request[FlowRecord]:
    record.command, record.dp_ifindex, record.probe = FlowCmd.GET, dp_ifindex, True
    return record.request("probing a flow key")


def _is_known(answer: object) -> bool:
    """Tell whether a probe was understood; raise what says nothing about that."""
    if isinstance(answer, PermissionDenied):
        raise answer
    if isinstance(answer, NoSuchObject):
        return True
    return not isinstance(answer, NetlinkError)


def _depth(known: dict[str, bool], name: str) -> int:
    """Return up to which number the probes called `name` were understood."""
    depth = 0
    while known.get(f"{name}{depth + 1}"):
        depth += 1
    return depth


def _knows(connection: Connection, family: str, attribute: IntEnum) -> bool:
    return connection.family(family).max_attribute >= attribute


def _has_family(connection: Connection, family: str) -> bool:
    try:
        connection.family(family)
    except Unavailable:
        return False
    return True
