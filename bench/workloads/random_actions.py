"""Lists of actions, drawn one by one: each is drawn again until the kernel takes it behind those before it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from dpif.odp.actions import Set, SetMasked
from dpif.odp.constants import KeyAttr
from dpif.odp.model.key import FlowKey, FlowMask
from workloads.draw import draw, draw_tunnel

MAX_ACTIONS = 5
_TRIES = 40

_COOKIES = (
    "",
    ",userdata(0102030405060708090a0b0c0d0e0f)",
    ",sFlow(vid=9,pcp=7,output=10)",
    ",slow_path(action)",
    ",slow_path(cfm,lacp)",
    ",flow_sample(probability=123,collector_set_id=1,obs_domain_id=2,obs_point_id=3,output_port=10)",
    ",ipfix(output_port=10)",
    ",controller(reason=1,dont_send=0,continuation=1,recirc_id=4444,rule_cookie=0x5555,controller_id=7,max_len=65535)",
)
_NATS = (
    "",
    ",nat",
    ",nat(src)",
    ",nat(dst=30.1.1.11:9999)",
    ",nat(src=10.0.0.240-10.0.0.254:32768-65535,random)",
    ",nat(src=10.0.2.19,persistent,hash)",
    ",nat(dst=fe80::20c:29ff:fe88:a18b)",
    ",nat(src=[fe80::1]-[fe80::9]:255-4096,random)",
)
_SETTABLE = (
    KeyAttr.PRIORITY,
    KeyAttr.SKB_MARK,
    KeyAttr.ETHERNET,
    KeyAttr.IPV4,
    KeyAttr.IPV6,
    KeyAttr.TCP,
    KeyAttr.UDP,
    KeyAttr.SCTP,
    KeyAttr.MPLS,
)


def draw_actions(random: Random, takes: Callable[[str], bool]) -> str:
    """Return a list of actions that the kernel takes, which `takes` tells of a text; ``drop`` is the empty list."""
    actions: list[str] = []
    for _ in range(random.randint(0, MAX_ACTIONS)):
        for _ in range(_TRIES):
            action = random.choice(_DRAWN)(random)
            if takes(",".join([*actions, action])):
                actions.append(action)
                break
    return ",".join(actions) or "drop"


def _output(random: Random) -> str:
    return str(random.randrange(1, 0xFFFF))


def _userspace(random: Random) -> str:
    behind = random.choice(["", "", ",actions", ",tunnel_out_port=10"])
    return f"userspace(pid={random.getrandbits(32) | 1}{random.choice(_COOKIES)}{behind})"


def _set(random: Random) -> str:
    """Set an attribute under a mask; the protocol and the fragment type of IP cannot be set."""
    number = random.choice(_SETTABLE)
    value, mask = draw(FlowKey.type_of(number), random)
    if number in (KeyAttr.IPV4, KeyAttr.IPV6):
        value, mask = value.replace(proto=0, frag=0), mask.replace(proto=0, frag=0)
    elif number == KeyAttr.MPLS:
        value, mask = value[:1], mask[:1]
    key, bits = FlowKey.of_kept({number: value}), FlowMask.of_kept({number: mask})
    return str(SetMasked(key, bits)) if bits != key.full_mask() else str(Set(key))


def _set_tunnel(random: Random) -> str:
    return str(Set(FlowKey(tunnel=draw_tunnel(random)[0])))


def _ct(random: Random) -> str:
    parts = [
        random.choice(["", "", ",commit", ",commit", ",force_commit"]),
        random.choice(["", ",zone=5"]),
        random.choice(["", "", ",mark=0x1/0xff", ",mark=0x5/0xffffffff"]),
        random.choice(["", "", ",label=0x1/0xf", ",label=0x1234567890abcdef1234567890abcdef"]),
        random.choice(_NATS),
    ]
    inside = "".join(parts)[1:]
    return f"ct({inside})" if inside else "ct"


def _nested(head: str, *lists: str) -> Callable[[Random], str]:
    """Return what draws an action that holds lists of other ones."""

    def draw_one(random: Random) -> str:
        inner = [
            f"{name}({','.join(random.choice(_INNER)(random) for _ in range(random.randint(1, 3)))})"
            for name in lists
        ]
        return head.format(",".join(inner))

    return draw_one


def _text(text: str) -> Callable[[Random], str]:
    return lambda random: text


_NSH = "push_nsh(flags=0,ttl=63,mdtype={},np=3,spi=0x10,si=255,{})"
_INNER: tuple[Callable[[Random], str], ...] = (
    *(_output, _output, _userspace, _set, _set, _set_tunnel, _ct),
    *map(
        _text,
        (
            "push_vlan(vid=5,pcp=0)",
            "push_vlan(tpid=0x88a8,vid=5,pcp=1)",
            "pop_vlan",
            "recirc(0x1)",
            "hash(l4(0))",
            "hash(sym_l4(5))",
            "push_mpls(label=1,tc=2,ttl=64,bos=1,eth_type=0x8847)",
            "pop_mpls(eth_type=0x800)",
            "trunc(100)",
            "push_eth(src=00:01:02:03:04:05,dst=10:11:12:13:14:15)",
            "pop_eth",
            "ct_clear",
            _NSH.format(1, "c1=0x1,c2=0x2,c3=0x3,c4=0x4"),
            _NSH.format(2, "md2=0x10000a0412340000"),
            "pop_nsh()",
            "meter(1)",
            "add_mpls(label=200,tc=7,ttl=64,bos=1,eth_type=0x8847)",
            "psample(group=12,cookie=0x1020304050607)",
        ),
    ),
)
"""What draws an action that holds no others."""
_DRAWN = (
    *_INNER,
    _nested("sample(sample=33.3%,{})", "actions"),
    _nested("{}", "clone"),
    _nested("check_pkt_len(size=200,{})", "gt", "le"),
    _nested("dec_ttl({})", "le_1"),
)
