"""Our constants against the kernel's headers: numbers are checked, not believed.

The headers are those of the machine, where it has them, and those of the newest kernel, whose numbers are in
``tests/uapi/newest.txt``. Of the newest every name must be known here: a new one in it is a new thing to know.
"""

from __future__ import annotations

import runpy
from enum import IntEnum, IntFlag
from pathlib import Path

import pytest

from dpif import psample
from dpif.odp import constants as c

HERE = Path(__file__).parent
SYSTEM = Path("/usr/include/linux")
NEWEST = HERE / "uapi" / "newest.txt"
HEADERS = ("openvswitch.h", "psample.h")

ENUMS: dict[str, type[IntEnum] | type[IntFlag]] = {
    "OVS_DP_ATTR_": c.DatapathAttr,
    "OVS_DP_F_": c.DatapathFeature,
    "OVS_VPORT_ATTR_": c.VportAttr,
    "OVS_VPORT_UPCALL_ATTR_": c.VportUpcallAttr,
    "OVS_VPORT_TYPE_": c.VportType,
    "OVS_TUNNEL_ATTR_": c.TunnelAttr,
    "OVS_VXLAN_EXT_": c.VxlanExt,
    "OVS_FLOW_ATTR_": c.FlowAttr,
    "OVS_UFID_F_": c.UfidFlag,
    "OVS_PACKET_ATTR_": c.PacketAttr,
    "OVS_KEY_ATTR_": c.KeyAttr,
    "OVS_TUNNEL_KEY_ATTR_": c.TunnelKeyAttr,
    "OVS_NSH_KEY_ATTR_": c.NshKeyAttr,
    "OVS_CS_F_": c.CtState,
    "OVS_ACTION_ATTR_": c.ActionAttr,
    "OVS_USERSPACE_ATTR_": c.UserspaceAttr,
    "OVS_SAMPLE_ATTR_": c.SampleAttr,
    "OVS_HASH_ALG_": c.HashAlg,
    "OVS_CT_ATTR_": c.CtAttr,
    "OVS_NAT_ATTR_": c.NatAttr,
    "OVS_CHECK_PKT_LEN_ATTR_": c.CheckPktLenAttr,
    "OVS_DEC_TTL_ATTR_": c.DecTtlAttr,
    "OVS_PSAMPLE_ATTR_": c.PsampleAttr,
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
    "PSAMPLE_ATTR_": psample.PacketSampleAttr,
    "PSAMPLE_CMD_": psample.PacketSampleCmd,
    "PSAMPLE_TUNNEL_KEY_ATTR_": c.TunnelKeyAttr,
}

# Names whose number stands for something else in user space's copy of the header.
DIFFERENT = {"OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE", "PSAMPLE_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE"}


def newest() -> dict[str, int]:
    """Return the names of the newest kernel's headers with their numbers."""
    lines = [line.split() for line in NEWEST.read_text().splitlines() if not line.startswith("#")]
    assert {header for header, _, _ in lines} == set(HEADERS)
    return {name: int(number) for _, name, number in lines}


def of_system() -> dict[str, int]:
    """Return those of this machine's."""
    if not all((SYSTEM / header).exists() for header in HEADERS):
        pytest.skip("the kernel's headers are not installed (Debian: linux-libc-dev)")
    members = runpy.run_path(str(HERE.parent / "tools" / "uapi_record.py"))["members"]
    return {name: number for header in HEADERS for name, number in members((SYSTEM / header).read_text()).items()}


def our_number(name: str) -> int | None:
    """Return the number that a name of the headers has here, None for one that is not here."""
    prefix = max((prefix for prefix in ENUMS if name.startswith(prefix)), key=len, default="")
    member = name.removeprefix(prefix)
    if not prefix or member not in ENUMS[prefix].__members__:
        return None
    return int(ENUMS[prefix][member])


@pytest.mark.parametrize("names", [newest, of_system])
def test_numbers_are_the_kernels(names: object) -> None:
    assert callable(names)
    told = {
        name: number
        for name, number in names().items()
        if name not in DIFFERENT and not name.endswith(("_UNSPEC", "_MAX"))
    }
    assert len(told) > 200
    assert {name: our_number(name) for name in told} == told
