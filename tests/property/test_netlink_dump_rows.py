"""The fast way through the rows of a dump and the general one give the same."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.netlink import constants as c
from dpif.netlink.attributes import Buffer
from dpif.netlink.exchange import Dump, Request, RequestKind
from dpif.netlink.message import pack_message

TYPE, SEQ, PORT = 31, 5, 77


class SlowDump(Dump[bytes]):
    """A dump without the fast way."""

    def _pass_plain_rows(self, datagram: Buffer, starts: list[int], ends: list[int]) -> int:
        return 0


def decode(payload: Buffer) -> bytes:
    """Return the row; refuse some."""
    if payload[:1] == b"\xff":
        raise DecodeError("bad")
    return bytes(payload)


def outcome(dump: Dump[bytes], datagrams: list[bytes]) -> list[object]:
    found: list[object] = []
    for datagram in datagrams:
        try:
            found.append(dump.feed(datagram))
        except DecodeError as error:
            found.append(str(error))
        found.append((dump.done, dump.interrupted))
    return found


plain_rows = st.builds(pack_message, st.just(TYPE), st.just(c.NLM_F_MULTI), st.just(SEQ), st.just(PORT), st.binary())
other_messages = st.builds(
    pack_message,
    st.sampled_from([TYPE, TYPE + 1, c.NLMSG_DONE, c.NLMSG_ERROR, c.NLMSG_NOOP]),
    st.sampled_from([0, c.NLM_F_MULTI, c.NLM_F_MULTI | c.NLM_F_DUMP_INTR]),
    st.sampled_from([SEQ, SEQ + 1]),
    st.sampled_from([PORT, PORT + 1, 0]),
    st.sampled_from([b"", bytes(4), struct.pack("=i", -22), bytes(20)]),
)
pieces = st.one_of(plain_rows, plain_rows, other_messages, st.binary(max_size=20))
datagrams = st.lists(pieces, max_size=8).map(b"".join)


@given(st.lists(datagrams, max_size=3), st.sampled_from([PORT, 0]))
def test_both_ways_agree(arriving: list[bytes], port_id: int) -> None:
    request = Request(RequestKind(TYPE, decode), b"")
    fast, slow = Dump(request, TYPE, SEQ, port_id), SlowDump(request, TYPE, SEQ, port_id)
    assert outcome(fast, arriving) == outcome(slow, arriving)
