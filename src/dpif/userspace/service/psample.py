"""The family ``psample``: samples of packets, for whoever has joined its group."""

from __future__ import annotations

import time

from dpif import psample
from dpif.netlink.answering import Command
from dpif.netlink.service import Service
from dpif.odp.kernel.emit import to_tunnel
from dpif.userspace.engine.namespace import Namespace
from dpif.userspace.engine.psample import SampledPacket


def add_psample(service: Service, namespace: Namespace) -> None:
    """Let `service` send the samples of `namespace` to those who have joined."""
    service.add_family(
        psample.PSAMPLE_GENL_NAME,
        {psample.PacketSampleCmd.GET_GROUP: Command(dump=lambda call: ())},  # the kernel lists those of tc alone
        version=psample.PSAMPLE_GENL_VERSION,
        groups=(psample.PSAMPLE_NL_MCGRP_CONFIG_NAME, psample.PSAMPLE_NL_MCGRP_SAMPLE_NAME),
        max_attribute=max(psample.PacketSampleAttr),
    )

    def send(sampled: SampledPacket) -> None:
        if service.has_members(psample.PSAMPLE_GENL_NAME, psample.PSAMPLE_NL_MCGRP_SAMPLE_NAME):
            payload = psample.encode_sample(_sample(sampled))
            service.notify(psample.PSAMPLE_GENL_NAME, psample.PSAMPLE_NL_MCGRP_SAMPLE_NAME, payload)

    namespace.sample_sink = send


def _sample(sampled: SampledPacket) -> psample.Sample:
    tunnel = None
    if sampled.tunnel:
        tunnel = to_tunnel(sampled.tunnel).replace(vxlan=None).to_bytes()  # the kernel tells none of VXLAN's options
    return psample.Sample(
        group=sampled.group,
        packet=sampled.packet,
        cookie=sampled.cookie,
        rate=sampled.rate,
        is_probability=True,
        length=sampled.length,
        protocol=sampled.protocol,
        in_ifindex=sampled.in_ifindex,
        timestamp=time.time_ns(),
        tunnel=tunnel,
    )
