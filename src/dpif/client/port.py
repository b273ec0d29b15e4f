"""A port of a datapath as a value, and its type and options between users and the wire."""

from collections.abc import Mapping

from dpif._typing import NamedTuple, Self
from dpif.client.tunnels import VPORTS, tunnel_of_device
from dpif.errors import EncodeError, brief
from dpif.netlink.policy import Decoded
from dpif.odp.constants.vport import DummyAttr, TunnelAttr, VportType, VportUpcallAttr, VxlanExt
from dpif.odp.messages.vport import VportRecord, VportStats

__all__ = ["Port", "UpcallStats", "encode_options", "type_name", "type_number"]

_TYPE_NAMES = {VportType.NETDEV: "system", **{t: t.name.lower() for t in VportType if t > VportType.NETDEV}}
_TYPE_NUMBERS = {name: number for number, name in _TYPE_NAMES.items()}
_CAPTURE_OPTIONS = {"rx_pcap": DummyAttr.RX_PCAP, "tx_pcap": DummyAttr.TX_PCAP}


def type_name(number: int) -> str:
    """Return the name of a vport type as users write it: ``system`` for NETDEV, else the uapi name."""
    return _TYPE_NAMES.get(VportType(number), "unknown") if number in set(VportType) else "unknown"


def type_number(name: str) -> VportType:
    """Return the vport type of a name; raise `EncodeError` for one that is not known."""
    if name not in _TYPE_NUMBERS:
        from dpif.odp.model.spelling import closest  # for a mistake alone

        known = sorted({*_TYPE_NUMBERS, *VPORTS})
        close = closest(name, known)
        hint = f"did you mean {close!r}?" if close else f"one of: {', '.join(known)}"
        raise EncodeError(f"unknown port type {brief(name)}; {hint}")
    return _TYPE_NUMBERS[name]


class UpcallStats(NamedTuple):
    """Upcalls of one port that were delivered and that could not be (``enum ovs_vport_upcall_attr``)."""

    success: int
    fail: int


class Port(NamedTuple):
    """A port as the datapath described it.

    ``number`` is its port number, ``type`` as in ``ovs-dpctl`` (``system``, ``internal``, ``vxlan``, …; a tunnel's
    device is known by its name), ``options`` those of a tunnel (``dst_port``, ``gbp``), ``stats`` seen from the
    datapath, ``upcall_stats`` None before Linux 6.2, ``ifindex`` and ``netnsid`` None where the datapath does not
    tell.
    """

    number: int
    name: str
    type: str
    stats: VportStats | None = None
    options: Mapping[str, int | str] | None = None
    upcall_pids: tuple[int, ...] = ()
    upcall_stats: UpcallStats | None = None
    ifindex: int | None = None
    netnsid: int | None = None

    @classmethod
    def of_record(cls, record: VportRecord) -> Self:
        """Make one of a reply."""
        assert record.port_no is not None
        assert record.name is not None
        assert record.type is not None
        counts = record.upcall_stats.values if record.upcall_stats else None
        type_, options = type_name(record.type), _decode_options(record.options)
        tunnel = tunnel_of_device(record.name) if record.type == VportType.NETDEV else None
        if tunnel is not None:
            type_ = tunnel.type
            options = None if tunnel.udp_port is None else {"dst_port": tunnel.udp_port}
        return cls(
            number=record.port_no,
            name=record.name,
            type=type_,
            stats=record.stats,
            options=options,
            upcall_pids=record.upcall_pid or (),
            upcall_stats=None
            if counts is None
            else UpcallStats(counts.get(VportUpcallAttr.SUCCESS, 0), counts.get(VportUpcallAttr.FAIL, 0)),
            ifindex=record.ifindex,
            netnsid=record.netnsid,
        )

    def same_place(self, other: Self) -> bool:
        """Tell whether `other` is this port, counters aside."""
        return (self.number, self.name, self.type, self.options, self.upcall_pids) == (
            other.number,
            other.name,
            other.type,
            other.options,
            other.upcall_pids,
        )


def _decode_options(options: Decoded | None) -> Mapping[str, int | str] | None:
    if options is None:
        return None
    shown: dict[str, int | str] = {}
    if TunnelAttr.DST_PORT in options.values:
        shown["dst_port"] = options.values[TunnelAttr.DST_PORT]
    extension = options.values.get(TunnelAttr.EXTENSION)
    if extension is not None and VxlanExt.GBP in extension.values:
        shown["gbp"] = 1
    for name, number in _CAPTURE_OPTIONS.items():
        if number in options.values:
            shown[name] = options.values[number]
    return shown


def encode_options(options: Mapping[str, object] | None) -> Decoded | None:
    """Return options as ``OVS_VPORT_ATTR_OPTIONS`` holds them; raise `EncodeError` for one that is not known."""
    if not options:
        return None
    values: dict[int, object] = {}
    for name, value in options.items():
        if name == "dst_port":
            values[TunnelAttr.DST_PORT] = value
        elif name == "gbp":
            values[TunnelAttr.EXTENSION] = {VxlanExt.GBP: bool(value)}
        elif name in _CAPTURE_OPTIONS:
            values[_CAPTURE_OPTIONS[name]] = value
        elif name == "play":
            if value:
                values[DummyAttr.PLAY] = True
        else:
            known = ", ".join(("dst_port", "gbp", *_CAPTURE_OPTIONS, "play"))
            raise EncodeError(f"unknown port option {brief(name)}; one of: {known}")
    return Decoded(values)
