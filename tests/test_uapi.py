"""Our constants against the kernel's header, where the machine has it: numbers are checked, not believed."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from dpif.odp import constants as c

HEADER = Path("/usr/include/linux/openvswitch.h")

ENUMS: dict[str, type[IntEnum]] = {
    "OVS_DP_ATTR_": c.DatapathAttr,
    "OVS_VPORT_ATTR_": c.VportAttr,
    "OVS_VPORT_TYPE_": c.VportType,
    "OVS_FLOW_ATTR_": c.FlowAttr,
    "OVS_PACKET_ATTR_": c.PacketAttr,
    "OVS_KEY_ATTR_": c.KeyAttr,
    "OVS_TUNNEL_KEY_ATTR_": c.TunnelKeyAttr,
    "OVS_NSH_KEY_ATTR_": c.NshKeyAttr,
    "OVS_ACTION_ATTR_": c.ActionAttr,
    "OVS_USERSPACE_ATTR_": c.UserspaceAttr,
    "OVS_SAMPLE_ATTR_": c.SampleAttr,
    "OVS_CT_ATTR_": c.CtAttr,
    "OVS_NAT_ATTR_": c.NatAttr,
    "OVS_CHECK_PKT_LEN_ATTR_": c.CheckPktLenAttr,
    "OVS_DEC_TTL_ATTR_": c.DecTtlAttr,
    "OVS_METER_ATTR_": c.MeterAttr,
    "OVS_BAND_ATTR_": c.BandAttr,
    "OVS_METER_BAND_TYPE_": c.MeterBandType,
    "OVS_CT_LIMIT_ATTR_": c.CtLimitAttr,
    "OVS_DP_CMD_": c.DatapathCmd,
    "OVS_VPORT_CMD_": c.VportCmd,
    "OVS_FLOW_CMD_": c.FlowCmd,
    "OVS_PACKET_CMD_": c.PacketCmd,
    "OVS_METER_CMD_": c.MeterCmd,
    "OVS_CT_LIMIT_CMD_": c.CtLimitCmd,
    "OVS_FRAG_TYPE_": c.FragType,
}

# Names that stand for something else in the header than in user space's copy of it, or for the kernel alone.
DIFFERENT = {"OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE", "OVS_ACTION_ATTR_SET_TO_MASKED"}


def header_enums() -> dict[str, int]:
    """Return every member of an enum in the header with its number."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", HEADER.read_text(), flags=re.DOTALL)
    text = re.sub(r"#ifdef __KERNEL__.*?#endif", "", text, flags=re.DOTALL)
    members: dict[str, int] = {}
    for body in re.findall(r"enum\s*\w*\s*\{(.*?)\}", text, re.DOTALL):
        number = -1
        for item in filter(None, (part.strip() for part in body.split(","))):
            name, _, value = (part.strip() for part in item.partition("="))
            number = int(value, 0) if value.isdigit() or value.startswith("0x") else number + 1
            members[name] = number
    return members


@pytest.mark.skipif(not HEADER.exists(), reason="linux/openvswitch.h is not installed (Debian: linux-libc-dev)")
@pytest.mark.parametrize("prefix", ENUMS)
def test_numbers_are_the_kernels(prefix: str) -> None:
    enum = ENUMS[prefix]
    checked = 0
    for name, number in header_enums().items():
        member = name.removeprefix(prefix)
        if not name.startswith(prefix) or name in DIFFERENT or member in ("UNSPEC", "MAX"):
            continue
        if member not in enum.__members__ and _belongs_to_another(name, prefix):
            continue
        assert enum[member] == number, name
        checked += 1
    assert checked


def _belongs_to_another(name: str, prefix: str) -> bool:
    """Tell whether a longer prefix than `prefix` claims `name`."""
    return any(name.startswith(other) and len(other) > len(prefix) for other in ENUMS)


@pytest.mark.skipif(not HEADER.exists(), reason="linux/openvswitch.h is not installed (Debian: linux-libc-dev)")
def test_bits_are_the_kernels() -> None:
    defines = dict(re.findall(r"#define\s+(OVS_\w+)\s+(\(1 << \d+\)|0x[0-9a-f]+)", HEADER.read_text()))
    sets = {"OVS_DP_F_": c.DatapathFeature, "OVS_CS_F_": c.CtState, "OVS_UFID_F_": c.UfidFlag}
    for prefix, flags in sets.items():
        found = {name.removeprefix(prefix): value for name, value in defines.items() if name.startswith(prefix)}
        found.pop("NAT_MASK", None)
        assert found
        for name, value in found.items():
            number = 1 << int(value.strip("()").split()[-1]) if "<<" in value else int(value, 16)
            assert flags[name] == number
