"""Columns of flows: their names and types, what is asked for, what is missing. (A property test has the values.)"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

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
from dpif.odp.columns import to_table
from dpif.odp.columns.fields import known_types, leaves
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
    schema = dp.flows.to_arrow().schema
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
    assert schema.names[0] == "ufid"
    assert schema.names[-5:] == ["packets", "bytes", "used", "flags", "actions"]


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
    assert (table.num_rows, table.column_names) == (0, ["packets", "bytes", "used", "flags", "actions"])
    assert {len(column.values) for column in dp.flows.to_numpy().values()} == {0}


def test_a_wrong_name_is_told_its_like(dp: Datapath) -> None:
    with pytest.raises(EncodeError, match=r"there is no column 'ipv4.dstt'; did you mean 'ipv4.dst'\?"):
        dp.flows.to_arrow(["ipv4.dstt"])


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

    table = to_table(dump, ["in_port", "actions"], complete)
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
