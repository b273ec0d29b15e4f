"""From a packet to its flow key, just as the kernel reads it.

The model is key_extract and what it calls in Linux 6.1 (net/openvswitch/flow.c). The kernel is generous: a header
that is cut short or makes no sense mostly leaves its fields zero, and only a frame shorter than an Ethernet
header, a bad NSH header or a VLAN tag in a packet without Ethernet is refused. Where the kernel leaves a field
uninitialised (the ND addresses when an ICMPv6 type 135 or 136 has a code other than 0, the label of an IPv6
header that is cut short) it is zero here.

`extract` gives attributes, `extract_flat` the flat form for those who look packets up, `extract_for` the flat form
of a packet that user space sends. `frame.py` reads the link layer, `network.py` and `ipv6.py` what it announces,
`transport.py` what stands behind those.
"""

from __future__ import annotations

from dpif.odp.extraction.frame import extract, extract_flat, extract_for

__all__ = ["extract", "extract_flat", "extract_for"]
