"""The text of actions: what is printed, what is read besides, and errors that say where and what."""

from __future__ import annotations

import pytest

from dpif.errors import ParseError
from dpif.odp.actions import (
    Actions,
    CheckPktLen,
    Clone,
    Ct,
    DecTtl,
    Drop,
    Nat,
    Output,
    Psample,
    Sample,
    Set,
    SetMasked,
    Userspace,
    parse_actions,
)
from dpif.odp.actions.cookies import COOKIE_SIZE, Controller, FlowSample, Ipfix, SFlow, SlowPath
from dpif.odp.constants import XlateError
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.layers import Ipv6

AS_PRINTED = [
    "1,2,3",
    "drop",
    "trunc(100)",
    "meter(1)",
    "lb_output(1)",
    "tnl_pop(4)",
    "recirc(0x5)",
    "recirc(0)",
    "hash(l4(0))",
    "hash(sym_l4(1))",
    "pop_vlan,pop_eth,pop_nsh(),ct_clear",
    "push_vlan(vid=12,pcp=3)",
    "push_vlan(vid=13,pcp=5,cfi=0)",
    "push_vlan(tpid=0x88a8,vid=13,pcp=5)",
    "push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)",
    "pop_mpls(eth_type=0x800)",
    "add_mpls(label=200,tc=7,ttl=64,bos=1,eth_type=0x8847)",
    "push_eth(src=00:01:02:03:04:05,dst=10:11:12:13:14:15)",
    "sample(sample=9.7%,actions(1,2,3,push_vlan(vid=1,pcp=2)))",
    "sample(sample=0.0%,actions(drop))",
    "clone(1,2)",
    "clone(drop)",
    "check_pkt_len(size=200,gt(4),le(drop))",
    "dec_ttl(le_1(1))",
    "psample(group=12,cookie=0xf102030405)",
    "psample(group=12)",
    "set(eth(src=00:01:02:03:04:05,dst=10:11:12:13:14:15))",
    "set(ipv4(ttl=9))",
    "set(ipv4(tos=0/0x3))",
    "set(mpls(label=1/0xfffff,tc=0/0,ttl=0/0x0,bos=0/0))",
    "set(tunnel(tun_id=0x1,dst=2.2.2.2,ttl=64,vxlan(gbp(id=10,flags=0x8)),flags(df|key)))",
    "set(tunnel(dst=1.1.1.1,ttl=64,geneve({class=0x102,type=0x80,len=4,0xa}{class=0x1,type=0,len=0}),flags(0)))",
    "set(nsh(flags=0x02/0x03,ttl=5))",
    "set(nsh(c1=0x5))",
    "set(nsh(flags=2,ttl=63,mdtype=2,np=4,spi=0x10,si=3))",
    "ct",
    "ct(commit)",
    "ct(force_commit,zone=5)",
    "ct(commit,mark=0x1/0xf,label=0x5/0x7,helper=ftp,timeout=tp1)",
    "ct(commit,mark=0x5/0xffffffff,label=0x5)",
    "ct(nat)",
    "ct(commit,nat(src))",
    "ct(commit,nat(src=10.0.0.240,random))",
    "ct(commit,nat(dst=10.0.0.128-10.0.0.254:1-2,persistent,hash))",
    "ct(commit,nat(src=fe80::1-fe80::2))",
    "ct(commit,nat(src=[fe80::1]-[fe80::2]:255-4096))",
    "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x10,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)",
    "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x10,si=255,md2=0x10000a0412340000)",
    "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x0,si=255,md2=0)",
    "userspace(pid=6633,sFlow(vid=9,pcp=7,output=10),actions)",
    "userspace(pid=9765,slow_path(0))",
    "userspace(pid=9765,slow_path(cfm,action))",
    "userspace(pid=1,flow_sample(probability=123,collector_set_id=1,obs_domain_id=2,obs_point_id=3,output_port=10))",
    "userspace(pid=1,flow_sample(probability=1,collector_set_id=1,obs_domain_id=2,obs_point_id=3,output_port=1,egress))",
    "userspace(pid=6633,ipfix(output_port=10),tunnel_out_port=10)",
    "userspace(pid=1,controller(reason=1,dont_send=0,continuation=1,recirc_id=4444,rule_cookie=0x5555,"
    "controller_id=7,max_len=65535))",
    "userspace(pid=1234567,userdata(0102030405060708090a0b0c0d0e0f),actions,tunnel_out_port=10)",
]


@pytest.mark.parametrize("text", AS_PRINTED)
def test_what_is_printed_can_be_read(text: str) -> None:
    actions = parse_actions(text)
    assert str(actions) == text
    assert Actions.from_bytes(actions.to_bytes()) == actions


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", "drop"),
        (" Drop ", "drop"),
        ("0x10", "16"),
        ("010", "8"),
        ("1 2,,3\n", "1,2,3"),
        ("clone(1 2) 3", "clone(1,2),3"),
        ("2,drop", "2,drop"),
        ("drop(10)", "drop(10)"),
        ("drop(stack_too_deep)", "drop(4)"),
        ("drop,2", "drop,2"),
        ("psample(group=1),drop", "psample(group=1),drop"),
        ("check_pkt_len(size=1,gt( drop ),le(,))", "check_pkt_len(size=1,gt(drop),le(drop))"),
        ("action1(02 00 00 00),action99(07 00),action98", "2,action99(07 00),action98"),
        ("clone()", "clone(drop)"),
        ("recirc(5)", "recirc(0x5)"),
        ("push_vlan(pcp=3,vid=12)", "push_vlan(vid=12,pcp=3)"),
        ("push_vlan(tpid=0x8100,vid=1,pcp=0,cfi=1)", "push_vlan(vid=1,pcp=0)"),
        ("check_pkt_len(size=1,gt(DROP),le(5))", "check_pkt_len(size=1,gt(drop),le(5))"),
        ("sample(sample=.05%,actions())", "sample(sample=0.1%,actions(drop))"),
        ("ct()", "ct"),
        ("ct(zone=0)", "ct"),
        ("ct(mark=10,commit)", "ct(commit,mark=0x10/0xffffffff)"),
        ("ct(mark=0x1/0,label=0x1/0,commit)", "ct(commit)"),
        ("ct(commit nat(src=1.1.1.1 persistent))", "ct(commit,nat(src=1.1.1.1,persistent))"),
        ("ct(commit,nat(src=1.1.1.1-1.1.1.1:5-5))", "ct(commit,nat(src=1.1.1.1:5))"),
        ("ct(nat())", "ct(nat)"),
        ("set(tunnel(dst=1.1.1.1,ttl=64,flags(+df-csum)))", "set(tunnel(dst=1.1.1.1,ttl=64,flags(df)))"),
        ("set(eth(src=00:01:02:03:04:05/ff:ff:ff:00:00:00))", "set(eth(src=00:01:02:00:00:00/ff:ff:ff:00:00:00))"),
        ("push_nsh()", "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x0,si=255,c1=0x0,c2=0x0,c3=0x0,c4=0x0)"),
        ("psample(group=1,cookie=0x102)", "psample(group=1,cookie=0x102)"),
        ("psample(group=1,cookie=c0ffee)", "psample(group=1,cookie=0xc0ffee)"),
        ("psample(group=1,cookie=10)", "psample(group=1,cookie=0x10)"),
        ("pop_nsh,2", "pop_nsh(),2"),
        ("set(ipv4(src=10.0.0.0/8))", "set(ipv4(src=10.0.0.0/255.0.0.0))"),
        ("userspace(pid=1)", f"userspace(pid=1,userdata({'00' * COOKIE_SIZE}))"),
        ("userspace(pid=1,userdata(0102))", "userspace(pid=1,userdata(0102000000000000))"),
        ("userspace(pid=1,userdata=eeff0c)", "userspace(pid=1,userdata(eeff0c))"),
        ("userspace(pid=1,slow_path(cfm|bfd))", "userspace(pid=1,slow_path(cfm,bfd))"),
    ],
)
def test_what_is_read_besides(text: str, printed: str) -> None:
    assert parse_actions(text).format() == printed


def test_a_drop_tells_the_reason_that_ovs_vswitchd_gives() -> None:
    assert Drop(4).reason is XlateError.STACK_TOO_DEEP
    assert Drop(XlateError.STACK_TOO_DEEP) == Drop(4)
    assert Drop().reason is XlateError.OK
    assert Drop(42).reason is None


@pytest.mark.parametrize("userdata", [b"", b"\xee\xff\x0c", bytes(8)])
def test_user_data_may_be_shorter_than_that_of_ovs_dpctl(userdata: bytes) -> None:
    action = Userspace(pid=1, userdata=userdata)
    assert parse_actions(f"userspace(pid=1,userdata={userdata.hex()})") == (action,)
    assert parse_actions(str(action)) == (action,)
    assert str(action).startswith("userspace(pid=1,userdata")


def test_ports_go_by_name_where_names_are_known() -> None:
    actions = parse_actions(
        "v0,clone(v1,2),tnl_pop(v0),userspace(pid=1,ipfix(output_port=v1),tunnel_out_port=v0)", {"v0": 1, "v1": 2}
    )
    assert actions[0] == Output(1)
    assert actions[1] == Clone([Output(2), Output(2)])
    assert actions.format(port_names={1: "v0"}) == (
        "v0,clone(2,2),tnl_pop(v0),userspace(pid=1,ipfix(output_port=2),tunnel_out_port=v0)"
    )


def test_a_name_may_look_like_an_action_or_a_number() -> None:
    assert parse_actions("pop_vlan,1x", {"pop_vlan": 7, "1x": 8}) == (Output(7), Output(8))


def test_set_knows_whether_it_sets_all_of_an_attribute() -> None:
    (whole,) = parse_actions("set(ipv6(src=::1,dst=::2,label=0,proto=6,tclass=0,hlimit=1,frag=no))")
    assert whole == Set(FlowKey(ipv6=Ipv6(src="::1", dst="::2", proto=6, hlimit=1)))
    (part,) = parse_actions("set(ipv6(hlimit=1))")
    assert part == SetMasked(FlowKey(ipv6=Ipv6(hlimit=1)), FlowMask(ipv6=Ipv6(hlimit=255)))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("sFlow(vid=9,pcp=7,output=10)", "f0090000 0a000000"),
        ("slow_path(cfm|action)", "00000000 21000000"),
        (
            "flow_sample(probability=123,collector_set_id=1234,obs_domain_id=2345,obs_point_id=3456,output_port=10,egress)",
            "7b000000 d2040000 29090000 800d0000 0a000000 02000000",
        ),
        ("ipfix(output_port=10)", "0a000000"),
        (
            "controller(reason=1,dont_send=0,continuation=1,recirc_id=4444,rule_cookie=0x5555,controller_id=7,max_len=65535)",
            "00010100 5c110000 00000000 00005555 0700ffff",
        ),
    ],
)
def test_cookies_have_the_layout_of_open_vswitch(text: str, part: str) -> None:
    """Bytes as ovs-dpctl 3.1 sent them on a little-endian machine."""
    (action,) = parse_actions(f"userspace(pid=1,{text})")
    assert isinstance(action, Userspace)
    assert action.userdata is not None
    assert len(action.userdata) == COOKIE_SIZE
    assert action.userdata[4:24] == bytes.fromhex("ffff0000") + bytes(16)
    assert action.userdata[24:] == bytes.fromhex(part).ljust(24, b"\0")


def test_cookies_are_values() -> None:
    action = Userspace(pid=1, userdata=SlowPath(reason=0x21))
    assert str(action) == "userspace(pid=1,slow_path(cfm,action))"
    assert action.cookie == SlowPath(reason=0x21)
    assert Userspace(pid=1, userdata=b"12345678").cookie is None
    assert {
        type(cookie) for cookie in map(parse_cookie, ("sFlow(vid=0,pcp=0,output=1)", "ipfix(output_port=1)"))
    } == {
        SFlow,
        Ipfix,
    }
    assert FlowSample.SIZE == 24
    assert Controller.SIZE == 20


def parse_cookie(text: str) -> object:
    (action,) = parse_actions(f"userspace(pid=1,{text})")
    assert isinstance(action, Userspace)
    return action.cookie


def test_a_foreign_cookie_is_shown_as_bytes() -> None:
    userdata = b"\x63" + bytes(47)
    assert str(Userspace(pid=1, userdata=userdata)) == f"userspace(pid=1,userdata({userdata.hex()}))"


def test_percentages() -> None:
    assert Sample.percent(50, [Output(1)]).probability == 0x80000000
    assert Sample.percent(100, []).probability == 0xFFFFFFFF
    assert str(Sample.percent(9.7, [])) == "sample(sample=9.7%,actions(drop))"


def test_repr_and_replace() -> None:
    action = CheckPktLen(size=1, greater=[Output(1)], less_equal=[])
    assert repr(action) == "CheckPktLen(size=1, greater=<Actions 1>, less_equal=<Actions drop>)"
    assert action.replace(size=2) == CheckPktLen(size=2, greater=[Output(1)], less_equal=[])
    assert repr(Nat(src=True, ip_min="1.1.1.1")) == "Nat(src=True, ip_min=IPv4Address('1.1.1.1'))"
    assert Ct(commit=True).replace(commit=False, force_commit=True) == Ct(force_commit=True)
    assert str(Psample(group=1, cookie=b"\1").replace(cookie=None)) == "psample(group=1)"
    assert str(DecTtl([])) == "dec_ttl(le_1(drop))"
    assert Actions([Output(1), Drop(3), Drop()]).format() == "1,drop(3),drop"
    assert str(Actions([Output(1), Drop(3), Drop()])) == "1,drop(3),drop(0)"


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("truc(100)", 0, "did you mean 'trunc'"),
        ("output(1)", 0, "an output is written as its port alone"),
        ("1;2", 1, "found ';'"),
        ("1x", 0, "found '1x'"),
        ("1, DROP", 3, "did you mean 'drop'"),
        ("drop(-1)", 5, "expected a number or a reason"),
        ("drop(stack_to_deep)", 5, "did you mean 'stack_too_deep'"),
        ("meter(1)2", 8, "expected ',' behind an action, found '2'"),
        ("ct(commit)2", 10, "expected ','"),
        ("clone(1 2)3", 10, "expected ','"),
        ("clone(ct(commit)2)", 16, "expected ',' behind an action"),
        ("sample(sample=50%actions(1))", 17, "expected ',' behind an argument, found 'actions'"),
        ("ct(nat(src)commit)", 11, "expected ','"),
        ("action1(02 00 00)", 7, "no action 1: OUTPUT at byte 0: expected 4 bytes, found 3"),
        ("action99(7)", 9, "pairs of hexadecimal digits"),
        ("action16384", 11, "at most 16383"),
        ("-1", 0, "found '-'"),
        ("4294967296", 0, "at most 0xffffffff"),
        ("v0", 0, "unknown action 'v0'"),
        (")", 0, "unbalanced"),
        ("clone(1", 7, "found the end of the text"),
        ("clone(" * 40, 186, "nested more than 31 levels"),
        ("push_vlan(vid=1)", 15, "push_vlan needs pcp="),
        ("push_vlan(vid=4096,pcp=0)", 14, "at most 0xfff"),
        ("push_vlan(vid=1/1,pcp=0)", 15, "expected ')'"),
        ("ct(commit,force_commit)", 3, "not both"),
        ("ct(commit,commit)", 10, "commit is given twice"),
        ("ct(nat(src,dst))", 6, "not both"),
        ("ct(nat(src,hash,random))", 6, "not both"),
        ("ct(nat(random))", 6, "needs src or dst"),
        ("ct(nat(src=1.1.1.9-1.1.1.1))", 11, "ends before it starts"),
        ("ct(nat(src=1.1.1.1-::1))", 11, "ends before it starts"),
        ("ct(nat(src=1.1.1.1:9-5))", 18, "ends before it starts"),
        ("ct(helper=)", 10, "expected a name"),
        ("ct(helper=aaaaaaaaaaaaaaaa)", 10, "longer than 15 bytes"),
        ("ct(commit", 9, "expected ')'"),
        ("ct(zone=65536)", 8, "at most 0xffff"),
        ("ct(zone=5/1)", 7, "zone takes no mask here"),
        ("sample(sample=101%,actions(1))", 14, "more than 100%"),
        ("sample(sample=5%)", 16, "sample needs actions"),
        ("sample(sample=5,actions(1))", 15, "expected '%'"),
        ("set()", 4, "a flow key field"),
        ("set(ipv4)", 8, "expected '('"),
        ("set(ipv4(),tcp())", 10, "expected ')'"),
        ("set(tunnel(dst=1.1.1.1/255.0.0.0))", 4, "a tunnel is set whole"),
        ("set(eth_type(0/0xffff))", 4, "eth_type needs a value"),
        ("userspace()", 10, "userspace needs pid="),
        ("userspace(pid=1,userdat(00))", 16, "did you mean 'userdata'"),
        ("userspace(pid=1,userdata(0))", 25, "expected ')'"),
        ("userspace(pid=1,slow_path(foo))", 26, "one of: action, bfd"),
        ("userspace(pid=1,ipfix())", 22, "ipfix needs output_port="),
        ("userspace(pid=1,ipfix(output_port=1),userdata(00))", 37, "is given twice"),
        ("userspace(pid=1,sFlow(vid=4096,pcp=0,output=1))", 26, "at most 0xfff"),
        ("check_pkt_len(size=1)", 20, "needs gt"),
        ("check_pkt_len(size=65536,gt(1),le(2))", 19, "at most 0xffff"),
        ("hash(l5(0))", 5, "one of: l4, sym_l4"),
        ("push_nsh(mdtype=3)", 9, "mdtype is 1 or 2"),
        ("push_nsh(mdtype=2,c1=0x1)", 9, "c1 to c4 go with mdtype=1"),
        ("push_nsh(md2=0x01)", 9, "md2 with mdtype=2"),
        ("push_nsh(c9=1)", 9, "unknown field 'c9'"),
        ("psample(cookie=0x1)", 18, "psample needs group="),
        ("psample(group=12,cookie=0x010203,group=12)", 33, "group is given twice"),
        ("psample(group=12,cookie=wrong)", 24, "hexadecimal digits"),
        ("psample(group=12,cookie=c0ffe)", 24, "a number is written 0xc0ffe"),
        ("pop_nsh(1)", 7, "expected '()'"),
        ("userspace(pid=1,userdata=0)", 25, "found '0'"),
        ("psample(group=1,cookie=0x" + "00" * 17 + ")", 23, "at most 16"),
        ("psample()", 8, "psample needs group="),
        ("meter()", 6, "expected a number"),
        ("tnl_pop(v9)", 8, "port names are not known here"),
        ("userspace(pid=1,userdata(" + "00" * 65532 + "))", 0, "too long"),
        ("1," * 9000, 0, "at most 65535"),
    ],
    ids=lambda item: str(item)[:40],
)
def test_errors_say_where_and_what(text: str, position: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_actions(text)
    assert message in str(caught.value)
    assert caught.value.position == position


@pytest.mark.parametrize(
    "text", ["push_eth()", "push_vlan()", "push_vlan(pcp=3)", "pop_mpls()", "push_mpls(label=7)"]
)
def test_what_is_missing_comes_with_a_text_that_is_taken(text: str) -> None:
    with pytest.raises(ParseError, match=r"needs \w+=… at position \d+ \(as in ") as caught:
        parse_actions(text)
    typed = caught.value.hint.removeprefix("as in ")
    assert parse_actions(typed).format() == typed
    assert all(given in typed for given in text[:-1].partition("(")[2].split(","))
