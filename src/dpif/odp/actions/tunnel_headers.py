"""The headers that `TunnelPush` puts before a packet, as bytes and as text.

They stand one behind the other: Ethernet, IPv4 or IPv6, then what the type of the tunnel asks for. Each is described
once, by a `Layer` whose fields are those that Open vSwitch tells; the rest of a header has a fixed value, and the
IPv4 checksum is computed. Headers that are not as described here, cut short or otherwise, are shown and read as
hexadecimal digits.
"""

import re
import struct
from collections.abc import Iterator

from dpif._typing import ClassVar, NamedTuple, Protocol, Self, TypeVar
from dpif.errors import DecodeError
from dpif.odp.constants import VportType
from dpif.odp.model.attrs import PLAIN
from dpif.odp.model.kinds import ETHERTYPE, IPV4, IPV6, MAC, U8, U8X, U16, Raw, UInt
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.structs import BitStruct, Field, Struct
from dpif.odp.model.tunnel_options import GeneveOptions, GeneveType
from dpif.packet.checksum import checksum

_HEX8 = UInt(8, "1x", radix=16)
_HEX16 = UInt(16, "1x", radix=16)
_HEX32 = UInt(32, "1x", radix=16)
_ETH_P_IP = 0x0800
_ETH_P_TEB = 0x6558
_ETH_P_ERSPAN = 0x88BE
_ETH_P_ERSPAN2 = 0x22EB
_GRE_CSUM, _GRE_KEY, _GRE_SEQ = 0x8000, 0x2000, 0x1000
_IPV6_SRCRT_TYPE_4 = 4
_BYTES = re.compile(r"(?:[0-9a-fA-F]{2})*+(?=\))")


class Layer(Struct):
    """One header, or a part of one; its text is ``word(field=value,…)``."""

    WORD: ClassVar[str] = ""

    def text(self) -> str:
        """Return the text."""
        return f"{self.WORD}({self.show()})"

    @classmethod
    def scan_text(cls, scanner: Scanner) -> Self:
        """Take the text."""
        scanner.expect(f"{cls.WORD}(")
        header = cls.scan_fields(scanner)
        scanner.expect(")")
        return header

    @classmethod
    def scan_fields(cls, scanner: Scanner) -> Self:
        """Take what stands between the parentheses: all fields, without masks."""
        start = scanner.position
        header, mask = cls.scan(scanner)
        for field in cls.TEXT:
            if mask.raw[field.index] != field.kind.full:
                scanner.fail(f"{cls.WORD} needs {field.text_name}=…, without a mask", position=start)
        return header


L = TypeVar("L", bound=Layer)


class Reader:
    """Headers that are taken from the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, size: int) -> bytes:
        """Take `size` bytes; raise `DecodeError` when so many are not left."""
        if len(self.rest) < size:
            raise DecodeError(f"{len(self.rest)} bytes are left of headers where {size} belong")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def layer(self, cls: type[L]) -> L:
        """Take one header."""
        return cls.from_bytes(self.take(cls.SIZE))


class _Ethernet(Layer):
    WORD = "eth"

    dst = Field(MAC)
    src = Field(MAC)
    dl_type = Field(ETHERTYPE)


class _Ipv4(Layer):
    WORD = "ipv4"

    src = Field(IPV4)
    dst = Field(IPV4)
    proto = Field(U8)
    tos = Field(U8X)
    ttl = Field(U8)
    frag = Field(_HEX16)

    _layout = struct.Struct("!BBHHHBBHII")

    @classmethod
    def _unpack(cls, data: bytes) -> tuple[Raw, ...]:
        _, tos, _, _, frag, ttl, proto, _, src, dst = cls._layout.unpack(data)
        return src, dst, proto, tos, ttl, frag

    @classmethod
    def _pack(cls, raw: tuple[Raw, ...]) -> bytes:
        src, dst, proto, tos, ttl, frag = raw
        header = cls._layout.pack(0x45, tos, 0, 0, frag, ttl, proto, 0, src, dst)
        return cls._layout.pack(0x45, tos, 0, 0, frag, ttl, proto, checksum(header), src, dst)


_Ipv4.SIZE = 20


class _Ipv6(Layer):
    WORD = "ipv6"

    src = Field(IPV6)
    dst = Field(IPV6)
    label = Field(UInt(32, bits=20))
    proto = Field(U8)
    tclass = Field(_HEX8)
    hlimit = Field(U8)

    _layout = struct.Struct("!IHBB16s16s")

    @classmethod
    def _unpack(cls, data: bytes) -> tuple[Raw, ...]:
        flow, _, proto, hlimit, src, dst = cls._layout.unpack(data)
        return src, dst, flow & 0xFFFFF, proto, flow >> 20 & 0xFF, hlimit

    @classmethod
    def _pack(cls, raw: tuple[Raw, ...]) -> bytes:
        src, dst, label, proto, tclass, hlimit = raw
        return cls._layout.pack(6 << 28 | tclass << 20 | label, 0, proto, hlimit, src, dst)


_Ipv6.SIZE = 40


class _Udp(Layer, text=("src", "dst", "csum")):
    WORD = "udp"

    src = Field(U16)
    dst = Field(U16)
    length = Field(U16)
    csum = Field(_HEX16)


class _VxlanHeader(Layer, BitStruct, size=8):
    WORD = "vxlan"

    flags = Field(_HEX32, shift=32)
    vni = Field(UInt(32, "1x", bits=24, radix=16), shift=8)


class _GtpuHeader(Layer, text=("flags", "msgtype", "teid")):
    WORD = "gtpu"

    flags = Field(_HEX8)
    msgtype = Field(U8)
    length = Field(U16)
    teid = Field(_HEX32)


class _GeneveHeader(Layer, BitStruct, size=8, text=("vni",)):
    WORD = "geneve"

    opt_len = Field(UInt(8, bits=6), shift=56)
    oam = Field(UInt(8, bits=1), shift=55)
    critical = Field(UInt(8, bits=1), shift=54)
    proto = Field(U16, shift=32, default=_ETH_P_TEB)
    vni = Field(UInt(32, "1x", bits=24), shift=8)


class _ErspanHeader(Layer, BitStruct, size=4, text=("sid",)):
    WORD = "erspan"

    ver = Field(UInt(8, bits=4), shift=28)
    sid = Field(UInt(16, "1x", bits=10, radix=16), shift=0)


class _ErspanIndex(Layer):
    WORD = "erspan"

    idx = Field(_HEX32)


class _ErspanMetadata(Layer, BitStruct, size=8):
    WORD = "erspan"

    dir = Field(UInt(8, bits=1), shift=3)
    hwid = Field(UInt(8, "1x", bits=6, radix=16), shift=4)


class _GreHeader(Layer):
    WORD = "gre"

    flags = Field(_HEX16)
    proto = Field(_HEX16)


class _Segments(Layer):
    """``struct srv6_base_hdr``."""

    WORD = "srv6"

    nexthdr = Field(U8)
    hdrlen = Field(U8)
    type = Field(U8, default=_IPV6_SRCRT_TYPE_4)
    segments_left = Field(U8)
    last_entry = Field(U8)
    flags = Field(U8)
    tag = Field(U16)


class Tunnel(Protocol):
    """What one type of tunnel puts behind the IP header."""

    def show(self, reader: Reader) -> str:
        """Take the headers from bytes and return their text."""

    def scan(self, scanner: Scanner) -> bytes:
        """Take their text and return the bytes."""


class _OverUdp(NamedTuple):
    """UDP, and one header of fixed size."""

    header: type[Layer]

    def show(self, reader: Reader) -> str:
        return f"{reader.layer(_Udp).text()},{reader.layer(self.header).text()}"

    def scan(self, scanner: Scanner) -> bytes:
        udp = _Udp.scan_text(scanner)
        scanner.expect(",")
        return udp.to_bytes() + self.header.scan_text(scanner).to_bytes()


class _Geneve:
    """UDP, and Geneve with its options."""

    _options = GeneveType()

    def show(self, reader: Reader) -> str:
        udp, header = reader.layer(_Udp), reader.layer(_GeneveHeader)
        shown = f"{'oam,' if header.oam else ''}{'crit,' if header.critical else ''}{header.show()}"
        if header.opt_len:
            options = GeneveOptions.of_raw(reader.take(4 * header.opt_len))
            shown += f",options({self._options.show(options, None, PLAIN)})"
        return f"{udp.text()},geneve({shown})"

    def scan(self, scanner: Scanner) -> bytes:
        udp = _Udp.scan_text(scanner)
        scanner.expect(",geneve(")
        oam, critical = scanner.take("oam,"), scanner.take("crit,")
        scanner.expect("vni=")
        vni = _GeneveHeader.vni.kind.scan(scanner)
        options = b""
        start = scanner.position
        if scanner.take(",options("):
            options = self._options.scan(scanner)[0].raw
            scanner.expect(")")
        scanner.expect(")")
        if len(options) > 63 * 4:
            scanner.fail(f"{len(options)} bytes of options are too many", "at most 252", start)
        header = _GeneveHeader(opt_len=len(options) // 4, oam=oam, critical=critical, vni=vni)
        return udp.to_bytes() + header.to_bytes() + options


class _Gre:
    """GRE, whose flags say which of three fields follow."""

    _optional = (("csum", _GRE_CSUM, "!HH"), ("key", _GRE_KEY, "!I"), ("seq", _GRE_SEQ, "!I"))

    def show(self, reader: Reader) -> str:
        header = reader.layer(_GreHeader)
        shown = f"gre(({header.show()})"
        for name, flag, layout in self._optional:
            if header.flags & flag:
                shown += f",{name}=0x{struct.unpack(layout, reader.take(4))[0]:x}"
        return f"{shown})"

    def scan(self, scanner: Scanner) -> bytes:
        scanner.expect("gre((")
        header = _GreHeader.scan_fields(scanner)
        scanner.expect(")")
        data = header.to_bytes()
        for name, flag, layout in self._optional:
            if header.flags & flag:
                scanner.expect(f",{name}=")
                number = (_HEX16 if layout == "!HH" else _HEX32).scan(scanner)
                data += struct.pack(layout, number, *[0] * (layout == "!HH"))
        scanner.expect(")")
        return data


class _Erspan:
    """GRE with a sequence number, and ERSPAN of either version."""

    _versions: ClassVar[dict[int, tuple[int, type[Layer]]]] = {
        1: (_ETH_P_ERSPAN, _ErspanIndex),
        2: (_ETH_P_ERSPAN2, _ErspanMetadata),
    }

    def show(self, reader: Reader) -> str:
        reader.take(8)
        header = reader.layer(_ErspanHeader)
        if header.ver not in self._versions:
            raise DecodeError(f"there is no version {header.ver} of ERSPAN")
        _, metadata = self._versions[header.ver]
        return f"erspan(ver={header.ver},{header.show()},{reader.layer(metadata).show()})"

    def scan(self, scanner: Scanner) -> bytes:
        scanner.expect("erspan(ver=")
        start = scanner.position
        ver = scanner.integer(15, "1 or 2")
        if ver not in self._versions:
            scanner.fail(f"there is no version {ver} of ERSPAN", "1 or 2", start)
        protocol, metadata = self._versions[ver]
        scanner.expect(",sid=")
        sid = _ErspanHeader.sid.kind.scan(scanner)
        scanner.expect(",")
        header = _ErspanHeader(ver=ver, sid=sid).to_bytes() + metadata.scan_fields(scanner).to_bytes()
        scanner.expect(")")
        return struct.pack("!HHI", _GRE_SEQ, protocol, 0) + header


class _Srv6:
    """A segment routing header (RFC 8754); the text names the segments first to last, the header last to first."""

    def show(self, reader: Reader) -> str:
        header = reader.layer(_Segments)
        segments = [reader.take(IPV6.size) for _ in range(header.last_entry + 1)]
        shown = ",".join(IPV6.show(segment) for segment in reversed(segments))
        return f"srv6(segments_left={header.segments_left},segs({shown}))"

    def scan(self, scanner: Scanner) -> bytes:
        scanner.expect("srv6(segments_left=")
        start = scanner.position
        left = scanner.integer(5, "segments left")
        scanner.expect(",segs(")
        segments = list(self._segments(scanner))
        scanner.expect("))")
        if len(segments) != left + 1:
            scanner.fail(f"{len(segments)} segments where segments_left={left} asks for {left + 1}", position=start)
        header = _Segments(hdrlen=2 * len(segments), segments_left=left, last_entry=left)
        return header.to_bytes() + b"".join(reversed(segments))

    @staticmethod
    def _segments(scanner: Scanner) -> Iterator[bytes]:
        while not scanner.looking_at(")"):
            yield IPV6.scan(scanner)
            if not scanner.take(","):
                break


_TUNNELS: dict[int, Tunnel] = {
    VportType.GRE: _Gre(),
    VportType.IP6GRE: _Gre(),
    VportType.VXLAN: _OverUdp(_VxlanHeader),
    VportType.GENEVE: _Geneve(),
    VportType.GTPU: _OverUdp(_GtpuHeader),
    VportType.ERSPAN: _Erspan(),
    VportType.IP6ERSPAN: _Erspan(),
    VportType.SRV6: _Srv6(),
}


def show_headers(tnl_type: int, headers: bytes) -> str:
    """Return the text of the headers of a tunnel of type `tnl_type`."""
    reader = Reader(headers)
    try:
        ethernet = reader.layer(_Ethernet)
        ip: Layer = reader.layer(_Ipv4 if ethernet.dl_type == _ETH_P_IP else _Ipv6)
        tunnel = _TUNNELS.get(tnl_type)
        if tunnel is None:
            return headers.hex()
        shown = f"{ethernet.text()},{ip.text()},{tunnel.show(reader)}"
    except DecodeError:
        return headers.hex()
    return headers.hex() if reader.rest else shown


def scan_headers(scanner: Scanner, tnl_type: int) -> bytes:
    """Take the text of the headers of a tunnel of type `tnl_type`."""
    plain = scanner.match(_BYTES)
    if plain is not None:
        return bytes.fromhex(plain)
    tunnel = _TUNNELS.get(tnl_type)
    if tunnel is None:
        scanner.fail(
            f"the headers of tunnels of type {tnl_type} are not known", f"one of: {sorted(map(int, _TUNNELS))}"
        )
    ethernet = _Ethernet.scan_text(scanner)
    scanner.expect(",")
    cls: type[Layer] = _Ipv4 if ethernet.dl_type == _ETH_P_IP else _Ipv6
    ip = cls.scan_text(scanner)
    scanner.expect(",")
    return ethernet.to_bytes() + ip.to_bytes() + tunnel.scan(scanner)
