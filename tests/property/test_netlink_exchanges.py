"""Exchanges and the service: whatever the other end sends, a value or a `DecodeError`."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError, DpifError, NetlinkError
from dpif.netlink import constants as c
from dpif.netlink.answering import Command, Refusal
from dpif.netlink.attributes import attribute
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Batch, Dump, Request, RequestKind, Subscription, Transaction
from dpif.netlink.generic import decode_family, get_family, list_families, pack_header
from dpif.netlink.loopback import LoopbackTransport
from dpif.netlink.message import pack_message, split
from dpif.netlink.service import Service

TYPE, SEQ, PORT = 30, 5, 7

payloads = st.one_of(
    st.binary(max_size=60),
    st.lists(st.builds(attribute, st.integers(0, 9), st.binary(max_size=16)), max_size=4).map(
        lambda attributes: pack_header(1, 2) + b"".join(attributes)
    ),
)
messages = st.builds(
    pack_message,
    st.sampled_from([TYPE, TYPE + 1, c.NLMSG_NOOP, c.NLMSG_ERROR, c.NLMSG_DONE, c.NLMSG_OVERRUN]),
    st.sampled_from([0, c.NLM_F_CAPPED, c.NLM_F_ACK_TLVS, c.NLM_F_CAPPED | c.NLM_F_ACK_TLVS, c.NLM_F_DUMP_INTR]),
    st.integers(SEQ - 1, SEQ + 3),
    st.sampled_from([0, PORT, PORT + 1]),
    payloads,
)
datagrams = st.lists(st.one_of(st.binary(max_size=40), st.lists(messages, max_size=4).map(b"".join)), max_size=6)
request = Request(RequestKind("toy", decode_family, "ask"), b"\x03\x02\0\0")


@given(datagrams)
def test_exchanges_end_in_a_value_or_a_decode_error(arriving: list[bytes]) -> None:
    exchanges: list[Any] = [
        Transaction(request, TYPE, SEQ, PORT),
        Batch([request] * 3, {"toy": TYPE}, SEQ, PORT),
        Dump(request, TYPE, SEQ, PORT),
        Subscription(TYPE, decode_family),
    ]
    for exchange in exchanges:
        for datagram in arriving:
            with contextlib.suppress(DecodeError):
                exchange.feed(datagram)
    transaction, batch, dump, _ = exchanges
    for exchange in (transaction, dump):
        with contextlib.suppress(DecodeError, NetlinkError):
            exchange.result()
    for result in batch.results():
        assert result is None or isinstance(result, DpifError) or result.name is not None


def toy_service() -> Service:
    """Return a service that takes any bytes apart as a family's description, and makes dumps of its own."""
    service = Service()

    def refuse(call: Any) -> bytes:
        raise Refusal(22, "no")

    def describe(call: Any) -> bytes:
        decode_family(call.payload)
        return bytes(call.payload)

    service.add_family(
        "toy",
        {1: Command(do=describe, dump=lambda call: [bytes(call.payload)] * 3, group="toys"), 2: Command(do=refuse)},
        groups=["toys"],
    )
    return service


requests = st.builds(
    pack_message,
    st.sampled_from([c.NLMSG_NOOP, c.GENL_ID_CTRL, c.GENL_ID_CTRL + 1, 999]),
    st.integers(0, 0xFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.builds(lambda command, rest: bytes([command]) + rest, st.integers(0, 4), payloads),
)


@given(st.lists(st.one_of(st.binary(max_size=60), requests, st.lists(requests).map(b"".join)), max_size=5))
def test_a_service_answers_anything_with_well_formed_datagrams(arriving: list[bytes]) -> None:
    service = toy_service()
    transport = LoopbackTransport(service)
    for datagram in arriving:
        transport.send(datagram)
        while True:
            try:
                answer = transport.recv(0)
            except BlockingIOError:
                break
            for message in split(answer):
                assert message.port_id == transport.port_id


@given(st.lists(st.sampled_from(["toy", "nlctrl", "absent", "dump"]), max_size=300))
def test_a_batch_is_what_its_transactions_are(names: list[str]) -> None:
    service = toy_service()
    wanted = [list_families() if name == "dump" else get_family(name) for name in names]
    with Connection(lambda: LoopbackTransport(service)) as connection:
        one_by_one = []
        for one in wanted:
            try:
                one_by_one.append(connection.transact(one))
            except NetlinkError as error:
                one_by_one.append(str(error))
        together = [str(r) if isinstance(r, DpifError) else r for r in connection.batch(wanted)]
    assert together == one_by_one
