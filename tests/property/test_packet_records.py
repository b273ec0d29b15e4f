"""The short ways of the messages of packets agree with the long one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.netlink.attributes import attribute
from dpif.odp.constants import PacketAttr, PacketCmd
from dpif.odp.messages.packet import PacketRecord, decode_packet, encode_execute

octets = st.binary(max_size=40)
maybe = st.none()
records = st.builds(
    PacketRecord,
    command=st.sampled_from(PacketCmd),
    dp_ifindex=st.integers(0, 100),
    packet=octets,
    key=octets,
    actions=maybe | octets,
    userdata=maybe | octets,
    egress_tun_key=maybe | octets,
    mru=maybe | st.integers(0, 0xFFFF),
    len=maybe | st.integers(0, 0xFFFFFFFF),
    hash=maybe | st.integers(0, 0xFFFFFFFFFFFFFFFF),
)
attributes = st.builds(attribute, st.integers(0, 12) | st.sampled_from(PacketAttr), octets)


def outcome(decode, payload):
    try:
        return decode(payload)
    except DecodeError as error:
        return str(error)


@given(records)
def test_what_comes_up_is_read_alike(record):
    payload = record.to_payload()
    assert decode_packet(memoryview(payload)) == PacketRecord.from_reply(payload)


@given(records, st.lists(attributes, max_size=3), st.data())
def test_so_is_what_is_wrong(record, more, data):
    payload = bytearray(record.to_payload() + b"".join(more))
    for place in data.draw(st.lists(st.integers(0, len(payload) - 1), max_size=3)):
        payload[place] = data.draw(st.integers(0, 255))
    payload = bytes(payload[: data.draw(st.integers(0, len(payload)))] if data.draw(st.booleans()) else payload)
    assert outcome(decode_packet, payload) == outcome(PacketRecord.from_reply, payload)


@given(octets, octets, octets, st.booleans(), maybe | st.integers(0, 0xFFFF))
def test_what_goes_down_is_written_alike(packet, key, actions, probe, mru):
    record = PacketRecord(
        command=PacketCmd.EXECUTE,
        dp_ifindex=7,
        packet=packet,
        key=key,
        actions=actions,
        probe=probe or None,
        mru=mru,
    )
    assert encode_execute(7, packet=packet, key=key, actions=actions, probe=probe, mru=mru) == record.to_payload()
