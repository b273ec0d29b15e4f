from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.conntrack.constants import TcpTimeout, UdpTimeout
from dpif.conntrack.timeouts import KernelTimeout, policy_name
from dpif.errors import DecodeError, EncodeError

V4, V6 = 2, 10


@pytest.mark.parametrize(
    ("family", "protocol", "name"),
    [
        (V4, 6, "ovs_tp_3_tcp4"),
        (V4, 17, "ovs_tp_3_udp4"),
        (V4, 1, "ovs_tp_3_icmp4"),
        (V6, 6, "ovs_tp_3_tcp6"),
        (V6, 17, "ovs_tp_3_udp6"),
        (V6, 58, "ovs_tp_3_icmpv6"),
    ],
)
def test_names(family: int, protocol: int, name: str) -> None:
    assert policy_name(3, family, protocol) == name
    assert KernelTimeout(name, family, protocol, {}).policy_id == 3


@pytest.mark.parametrize(("id", "family", "protocol"), [(3, V4, 132), (3, V4, 58), (-1, V4, 6), (1 << 32, V4, 6)])
def test_there_are_no_others(id: int, family: int, protocol: int) -> None:
    with pytest.raises(EncodeError):
        policy_name(id, family, protocol)


def test_those_of_others_have_no_number() -> None:
    assert KernelTimeout("mine", V4, 6, {}).policy_id is None
    assert KernelTimeout("ovs_tp_1_sctp4", V4, 132, {}).policy_id is None


def test_what_a_time_is_depends_on_the_protocol() -> None:
    data = {UdpTimeout.UNREPLIED: 5, UdpTimeout.REPLIED: 6}
    assert KernelTimeout("ovs_tp_1_udp4", V4, 17, data).times() == {"udp_single": 5, "udp_multiple": 6}
    data = {TcpTimeout.SYN_SENT: 5, TcpTimeout.RETRANS: 6}
    assert KernelTimeout("ovs_tp_1_tcp6", V6, 6, data).times() == {"tcp_syn_sent": 5, "tcp_retransmit": 6}


KERNEL_TIMEOUTS = st.builds(
    KernelTimeout,
    st.text("abc_", max_size=31),
    st.integers(0, 0xFFFF),
    st.integers(0, 255),
    st.dictionaries(st.sampled_from(TcpTimeout).map(int), st.integers(0, 0xFFFFFFFF)),
)


@given(KERNEL_TIMEOUTS)
def test_policies_survive_the_wire(timeout: KernelTimeout) -> None:
    assert KernelTimeout.from_payload(timeout.to_payload()) == timeout


@given(st.binary(max_size=80))
def test_any_bytes_are_a_policy_or_refused(noise: bytes) -> None:
    with contextlib.suppress(DecodeError):  # any other error is a failure
        KernelTimeout.from_payload(bytes(4) + noise)
