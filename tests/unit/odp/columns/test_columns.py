"""Columns of flows: their names and types, what is asked for, what is missing. (A property test has the values.)"""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

import dpif
from dpif.client import Datapath, Put
from dpif.errors import DumpInterrupted, EncodeError
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NLM_F_MULTI
from dpif.netlink.exchange import Dump, Request, RequestKind
from dpif.netlink.message import pack_message
from dpif.odp.columns import Options, Origin, to_arrays, to_table
from dpif.odp.columns.fields import known_types, leaves, plain_name
from dpif.odp.messages import FlowRecord
from dpif.odp.model.key import FlowKey

ARP = "in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x0806),arp(op=1)"
IPV4 = "in_port(2),eth(),eth_type(0x0800),ipv4(src=10.1.0.0/255.255.0.0,proto=6,frag=no),tcp(dst=80),tcp_flags(0/0)"


@pytest.fixture
def dp() -> Iterator[Datapath]:
    with dpif.Userspace() as us, us.open("br0", create=True) as datapath:
        yield datapath


def test_names_are_those_of_filters() -> None:
    names = set(known_types())
    assert {"in_port", "eth.src", "eth.src.mask", "ipv4.dst", "tunnel.vxlan.gbp.id", "encap.encap.tcp.src"} <= names
    assert {"mpls.label", "mpls.2.ttl.mask", "nsh.base.spi", "ct_label", "ufid", "used", "actions"} <= names
    assert not [name for name in names if "pad" in name]


def test_bit_fields_stand_in_words_that_hold_them() -> None:
    key = dpif.parse_key("in_port(1),eth(),eth_type(0x8847),mpls(label=70000,tc=3,ttl=9,bos=1)").to_bytes()
    found = {leaf.name: leaf for leaf in leaves(FlowKey, key)}
    label = found["mpls.label"]
    word = int.from_bytes(key[label.offset : label.offset + label.size], "big")
    assert label.full is not None
    assert word >> label.shift & label.full == 70000
    assert found["mpls.tc"].size == 1


def test_types(dp: Datapath) -> None:
    dp.flows.add(ARP, "2", ufid=bytes(15) + b"\1")
    dp.flows.add(IPV4, "1,2")
    schema = dp.flows.to_arrow(dotted=True).schema
    shown = {
        name: str(schema.field(name).type) for name in ("in_port", "eth.src", "ipv4.src.mask", "tcp.dst", "ufid")
    }
    assert shown == {
        "in_port": "uint32",
        "eth.src": "fixed_size_binary[6]",
        "ipv4.src.mask": "uint32",
        "tcp.dst": "uint16",
        "ufid": "binary",
    }
    assert str(schema.field("used").type) == "double"
    assert schema.field("actions").type == pa.dictionary(pa.int32(), pa.string())
    assert schema.field("datapath").type == schema.field("actions").type
    assert schema.field("time").type == schema.field("last_used").type == pa.timestamp("us", "UTC")
    assert schema.names[:3] == ["datapath", "time", "ufid"]
    assert schema.names[-6:] == ["packets", "bytes", "used", "last_used", "flags", "actions"]


def test_arrays(dp: Datapath) -> None:
    dp.flows.add(ARP, "2")
    dp.flows.add(IPV4, "1,2")
    columns = dp.flows.to_numpy(["in_port", "ipv4.src.mask", "eth.src", "used", "actions"])
    assert list(columns) == ["in_port", "ipv4.src.mask", "eth.src", "used", "actions"]
    order = np.argsort(columns["in_port"].values)
    assert columns["in_port"].values[order].tolist() == [1, 2]
    assert columns["ipv4.src.mask"].present[order].tolist() == [False, True]
    assert columns["ipv4.src.mask"].values[order].tolist() == [0, 0xFFFF0000]
    assert bytes(columns["eth.src"].values[order][0]) == b"\2\0\0\0\0\1"
    assert columns["used"].present.tolist() == [False, False]
    assert columns["actions"].values[order].tolist() == ["2", "1,2"]


def test_columns_that_no_flow_has_are_there_when_named(dp: Datapath) -> None:
    dp.flows.add(ARP, "2")
    table = dp.flows.to_arrow(["arp.op", "ipv6.src", "tunnel.df"])
    assert table.to_pylist() == [{"arp.op": 1, "ipv6.src": None, "tunnel.df": None}]
    assert dp.flows.to_arrow([]).num_columns == 0


def test_no_flows(dp: Datapath) -> None:
    table = dp.flows.to_arrow()
    assert table.num_rows == 0
    assert table.column_names == [
        "datapath", "time", "packets", "bytes", "used", "last_used", "flags", "actions",
    ]  # fmt: skip
    assert {len(column.values) for column in dp.flows.to_numpy().values()} == {0}


def test_a_wrong_name_is_told_its_like(dp: Datapath) -> None:
    with pytest.raises(EncodeError, match=r"there is no column 'ipv4.dstt'; did you mean 'ipv4.dst'\?"):
        dp.flows.to_arrow(["ipv4.dstt"])


def test_names_need_no_quotes_in_sql(dp: Datapath) -> None:
    dp.flows.add(IPV4, "1,2")
    plain, dotted = dp.flows.to_arrow(), dp.flows.to_arrow(dotted=True)
    assert [name.replace(".", "_") for name in dotted.column_names] == plain.column_names
    assert plain["ipv4_src_mask"].to_pylist() == dotted["ipv4.src.mask"].to_pylist() == [0xFFFF0000]
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in plain.column_names)
    assert len({plain_name(name) for name in known_types()}) == len(known_types())
    both = dp.flows.to_arrow(["ipv4_src", "ipv4.src"])
    assert both.to_pylist() == [{"ipv4_src": 0x0A010000, "ipv4.src": 0x0A010000}]
    with pytest.raises(EncodeError, match=r"no column 'ipv4_dstt'; did you mean 'ipv4_dst'\?"):
        dp.flows.to_numpy(["ipv4_dstt"])


WRITTEN = {
    "in_port": ("1", "p7"),
    "in_port_mask": (0xFFFFFFFF,) * 2,
    "eth_src": ("02:00:00:00:00:01",) * 2,
    "ipv4_src": ("10.1.255.0", "0.0.0.0"),
    "ipv4_src_mask": ("255.255.255.0", "255.255.0.255"),
    "ipv4_frag": ("first", "no"),
    "ct_state": ("trk", "new|trk"),
    "ct_label": ("0x12", "0"),
    "tunnel_ipv6_src": ("fe80::1", "::2"),
    "ufid": ("00000001-0203-0405-0607-08090a0b0c0d", None),
    "tcp_dst": (80, 81),
    "actions": ("p7,1", "pop_vlan,p7"),
}


@pytest.mark.parametrize("number", [1, 3])
def test_values_as_people_write_them(dp: Datapath, number: int) -> None:
    """Whether all flows have the same or each its own."""
    match = (
        "tunnel(tun_id=0x1,ipv6_src={},ipv6_dst=::9,ttl=1,flags(key)),ct_state({}),ct_label({}),in_port({}),"
        "eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(src={}/{},proto=6,frag={}),tcp(dst={}),tcp_flags(0/0)"
    )
    values = [
        ("fe80::1", "+trk", "0x12", 1, "10.1.255.0", "255.255.255.0", "first", 80),
        ("::2", "+new+trk", "0", 7, "0.0.0.0", "255.255.0.255", "no", 81),
    ]
    ufid = struct.pack("=4I", 1, 0x02030405, 0x06070809, 0x0A0B0C0D)
    payloads = []
    for index, (value, actions) in enumerate(zip(values, ("7,1", "pop_vlan,7"), strict=True)):
        key, mask = dpif.parse_match(match.format(*value))
        record = FlowRecord(
            command=1,
            key=key.to_bytes(),
            mask=mask.to_bytes(),
            actions=dpif.parse_actions(actions).to_bytes(),
            ufid=None if index else ufid,
        )
        payloads += [record.to_payload()] * number
    datagram = b"".join(pack_message(31, NLM_F_MULTI, 5, 77, payload) for payload in payloads)

    def dump(take: Callable[[bytes], None]) -> Iterator[Dump[bytes]]:
        take(datagram)
        yield Dump(Request(RequestKind(31, bytes), b""), 31, 5, 77)

    options = Options(list(WRITTEN), text=True, port_names={7: "p7"})
    expected = [{name: texts[row] for name, texts in WRITTEN.items()} for row in (0, 1) for _ in range(number)]
    table = to_table(dump, options, lambda record: record)
    table.validate(full=True)
    rows = table.to_pylist()
    assert sorted(rows, key=lambda row: row["tcp_dst"]) == expected
    arrays = to_arrays(dump, options, lambda record: record)
    assert {name: column.values.tolist() for name, column in arrays.items()} == {
        name: [row[name] for row in rows] for name in WRITTEN
    }


def test_ports_have_their_names(dp: Datapath) -> None:
    dp.flows.add("in_port(0),eth(),eth_type(0x0806),arp()", "0")
    dp.flows.add("in_port(5),eth(),eth_type(0x0806),arp()", "5")
    table = dp.flows.to_arrow(["in_port", "actions"], text=True)
    assert sorted(table["in_port"].to_pylist()) == ["5", "br0"]
    assert sorted(table["actions"].to_pylist()) == ["5", "br0"]


def test_where_and_when(dp: Datapath) -> None:
    before = datetime.now(UTC)
    dp.flows.add(ARP, "")
    table = dp.flows.to_arrow(["datapath", "time", "last_used", "used"])
    (row,) = table.to_pylist()
    assert (row["datapath"], row["used"], row["last_used"]) == (str(dp), None, None)
    assert before - timedelta(milliseconds=1) <= row["time"] <= datetime.now(UTC)
    arrays = dp.flows.to_numpy(["time", "datapath"])
    assert arrays["time"].values.dtype == "M8[us]"
    assert arrays["datapath"].values.tolist() == [str(dp)]


def test_when_a_flow_was_used() -> None:
    record = FlowRecord(command=1, key=dpif.parse_key(ARP).to_bytes(), actions=b"", used=7_000)
    exchange = Dump(Request(RequestKind(31, bytes), b""), 31, 5, 77)

    def dump(take: Callable[[bytes], None]) -> Iterator[Dump[bytes]]:
        take(pack_message(31, NLM_F_MULTI, 5, 77, record.to_payload()))
        yield exchange

    origin = Origin("system@dp0", 1_700_000_000_000_000, 10_000_000)
    table = to_table(dump, Options(["used", "last_used"], origin=origin), lambda record: record)
    (row,) = table.to_pylist()
    assert row == {"used": 7.0, "last_used": datetime.fromtimestamp(1_700_000_000 - 3, UTC)}


def test_many_windows(dp: Datapath) -> None:
    puts = [Put(f"skb_mark({number}),{(ARP, IPV4)[number % 2]}", "2") for number in range(8000)]
    assert all(result.error is None for result in dp.operate(puts))
    table = dp.flows.to_arrow(["skb_mark", "tcp.dst"])
    assert sorted(table["skb_mark"].to_pylist()) == list(range(8000))
    assert table["tcp.dst"].null_count == 4000


def test_actions_that_were_left_out_are_asked_for() -> None:
    def complete(record: FlowRecord) -> FlowRecord | None:
        key = record.flow_key()
        assert key is not None
        if key.in_port == 1:
            return None  # the flow is gone
        return FlowRecord(key=record.key, actions=b"")

    payloads = [
        FlowRecord(command=1, key=dpif.parse_key(text).to_bytes(), actions=actions).to_payload()
        for text, actions in ((ARP, None), (IPV4, None), (IPV4, dpif.parse_actions("7").to_bytes()))
    ]
    exchange = Dump(Request(RequestKind(31, bytes), b""), 31, 5, 77)
    datagram = b"".join(pack_message(31, NLM_F_MULTI, 5, 77, payload) for payload in payloads)

    def dump(take: Callable[[bytes], None]) -> Iterator[Dump[bytes]]:
        take(datagram)
        yield exchange

    table = to_table(dump, Options(["in_port", "actions"]), complete)
    assert table.to_pylist() == [{"in_port": 2, "actions": "drop"}, {"in_port": 2, "actions": "7"}]


def test_an_interrupted_dump_is_tried_again(dp: Datapath, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = Connection.dump_datagrams
    tries = []

    def interrupted(self: Connection, *arguments: object) -> Iterator[object]:
        tries.append(1)
        yield from dump(self, *arguments)  # type: ignore[arg-type]
        if len(tries) < 3:
            raise DumpInterrupted

    monkeypatch.setattr(Connection, "dump_datagrams", interrupted)
    assert dp.flows.to_arrow().num_rows == 0
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(DumpInterrupted):
        dp.flows.to_numpy(retries=1)


@pytest.mark.parametrize(("missing", "extra"), [("numpy", "columns"), ("pyarrow", "arrow")])
def test_without_the_extra(missing: str, extra: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None
import dpif
with dpif.Userspace() as us, us.open("br0", create=True) as dp:
    assert {missing!r} == "numpy" or dp.flows.to_numpy()
    try:
        dp.flows.to_arrow()
    except dpif.Unavailable as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"columns need {missing}: pip install 'dpif[{extra}]'\n"
