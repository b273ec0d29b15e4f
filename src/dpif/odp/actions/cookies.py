"""What Open vSwitch puts into the user data of a userspace action: ``struct user_action_cookie`` (odp-util.h).

A cookie is 48 bytes in the byte order of its host: a type, the OpenFlow port and the bridge that it came from, and
a part for each type. Its text, such as ``sFlow(vid=9,pcp=7,output=10)``, tells the part alone. User data of any
other form is a program's own, and is shown as ``userdata(hexadecimal)``.
"""

from __future__ import annotations

import re
import struct

from dpif._typing import Any, ClassVar, Self
from dpif.errors import ParseError
from dpif.odp.constants import VLAN_CFI, CookieType, SampleDirection, SlowPathReason
from dpif.odp.model.attrs import Opaque, Style
from dpif.odp.model.kinds import PORT, U16, U32, Flags, OtherOrder, Raw, UInt
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.structs import Field, Record
from dpif.odp.model.ufid import scan_uuid, show_uuid

COOKIE_SIZE = 48
OFPP_NONE = 0xFFFF
ODPP_NONE = 0xFFFFFFFF
"""No port, of OpenFlow and of a datapath."""
COOKIE_HEADER = struct.Struct("=HxxI16s")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*+")
_U16 = UInt(16, radix=10)
_U32 = UInt(32, radix=10)


class Cookie(Record, order="="):
    """The part of a cookie that depends on its type: fields, and the word that its text starts with."""

    __slots__ = ()

    TYPE: ClassVar[int] = 0
    WORD: ClassVar[str] = ""
    by_type: ClassVar[dict[int, type[Cookie]]] = {}
    by_word: ClassVar[dict[str, type[Cookie]]] = {}

    def __init_subclass__(cls, *, type: CookieType, word: str, **options: Any) -> None:
        super().__init_subclass__(order="=", **options)
        cls.TYPE, cls.WORD = type, word
        Cookie.by_type[type] = Cookie.by_word[word] = cls

    def to_userdata(self, ofp_in_port: int = OFPP_NONE, ofproto_uuid: bytes = bytes(16)) -> bytes:
        """Return the whole cookie."""
        return (COOKIE_HEADER.pack(self.TYPE, ofp_in_port, ofproto_uuid) + self.payload()).ljust(COOKIE_SIZE, b"\0")

    @classmethod
    def from_userdata(cls, userdata: bytes) -> Cookie | None:
        """Return the part of a cookie that its type tells of; None where the user data is no known cookie."""
        if len(userdata) != COOKIE_SIZE:
            return None
        found = cls.by_type.get(COOKIE_HEADER.unpack_from(userdata)[0])
        return found.from_payload(userdata[COOKIE_HEADER.size : COOKIE_HEADER.size + found.SIZE]) if found else None

    def show(self, style: Style) -> str:
        """Return ``word(field=value,…)``."""
        return f"{self.WORD}({','.join(self._show_field(field, style) for field in self.TEXT)})"

    def _show_field(self, field: Field[Any], style: Style) -> str:
        raw = self.raw[field.index]
        return f"{field.text_name}={style.port(raw) if field.kind is PORT else field.kind.show(raw)}"

    @classmethod
    def scan(cls, scanner: Scanner) -> Self:
        """Take the fields up to the closing parenthesis, in any order; all must be there."""
        return cls._of_fields(scanner, cls._scan_fields(scanner))

    @classmethod
    def _scan_fields(cls, scanner: Scanner) -> dict[str, Raw]:
        fields: dict[str, Raw] = {}
        while not scanner.looking_at(")"):
            cls._scan_field(scanner, fields)
            if not scanner.take(","):
                break
        return fields

    @classmethod
    def _scan_field(cls, scanner: Scanner, fields: dict[str, Raw]) -> None:
        field = cls.scan_name(scanner)
        fields[field.name] = scanner.port() if field.kind is PORT else field.kind.scan(scanner)

    @classmethod
    def _of_fields(cls, scanner: Scanner, fields: dict[str, Raw]) -> Self:
        scanner.expect_ahead(")")
        for field in cls.TEXT:
            if field.name not in fields:
                scanner.fail(f"{cls.WORD} needs {field.text_name}=…")
        return cls.of_raw(tuple(fields.get(field.name, field.default) for field in cls.FIELDS))


class SFlow(Cookie, type=CookieType.SFLOW, word="sFlow"):
    """A packet sampled for sFlow: the VLAN tag and the port that it goes out with."""

    __slots__ = ()

    vlan_tci = Field(OtherOrder(16))
    reserved = Field(U16)
    output = Field(U32)

    def show(self, style: Style) -> str:
        """The tag is told by its parts."""
        return f"sFlow(vid={self.vlan_tci & 0xFFF},pcp={self.vlan_tci >> 13},output={self.output})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Self:
        """Take the parts of the tag, which is there unless both are zero."""
        scanner.expect("vid=")
        vid = scanner.integer(0xFFF, "a VLAN id")
        scanner.expect(",pcp=")
        pcp = scanner.integer(7, "a VLAN priority")
        scanner.expect(",output=")
        tci = pcp << 13 | vid
        return cls(vlan_tci=tci | VLAN_CFI if tci else 0, output=scanner.integer(0xFFFFFFFF))


_REASONS = Flags(
    32,
    SlowPathReason,
    {reason.name.lower(): int(reason) for reason in SlowPathReason if reason.name},
    full=0xFFFFFFFF,
    exact=0xFFFFFFFF,
)


class SlowPath(Cookie, type=CookieType.SLOW_PATH, word="slow_path"):
    """A packet that user space must handle, for the ``reason`` (`SlowPathReason`)."""

    __slots__ = ()

    unused = Field(U16)
    reserved = Field(U16)
    reason = Field(_REASONS)

    def show(self, style: Style) -> str:
        """The reasons stand with commas between."""
        return f"slow_path({_REASONS.show(self.reason).replace('|', ',')})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Self:
        """Take reasons; the C tool prints commas between them and reads bars."""
        reason = 0
        while not scanner.looking_at(")"):
            reason |= _REASONS.scan(scanner)
            if not scanner.take("|") and not scanner.take(","):
                break
        return cls(reason=reason)


class FlowSample(
    Cookie,
    type=CookieType.FLOW_SAMPLE,
    word="flow_sample",
    text=("probability", "collector_set_id", "obs_domain_id", "obs_point_id", "output_port"),
):
    """A packet sampled for IPFIX by a flow; ``direction`` is a `SampleDirection`."""

    __slots__ = ()

    probability = Field(U16)
    reserved = Field(U16)
    collector_set_id = Field(U32)
    obs_domain_id = Field(U32)
    obs_point_id = Field(U32)
    output_port = Field(PORT)
    direction = Field(U32)

    _DIRECTIONS = {"ingress": SampleDirection.INGRESS, "egress": SampleDirection.EGRESS}

    def show(self, style: Style) -> str:
        """The direction is a word at the end."""
        shown = super().show(style)
        for word, direction in self._DIRECTIONS.items():
            if direction == self.direction:
                return f"{shown[:-1]},{word})"
        return shown

    @classmethod
    def _scan_fields(cls, scanner: Scanner) -> dict[str, Raw]:
        fields: dict[str, Raw] = {}
        while not scanner.looking_at(")"):
            for word, direction in cls._DIRECTIONS.items():
                if scanner.take(word):
                    fields["direction"] = int(direction)
                    return fields
            cls._scan_field(scanner, fields)
            if not scanner.take(","):
                break
        return fields


class Ipfix(Cookie, type=CookieType.IPFIX, word="ipfix"):
    """A packet sampled for IPFIX by a bridge."""

    __slots__ = ()

    output_port = Field(PORT)


class _Bool(UInt):
    """A byte of which it counts whether it is zero."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(8, bits=1, radix=10)

    def show(self, raw: Raw) -> str:
        """Return 0 or 1."""
        return "1" if raw else "0"


class Controller(
    Cookie,
    type=CookieType.CONTROLLER,
    word="controller",
    text=("reason", "dont_send", "continuation", "recirc_id", "rule_cookie", "controller_id", "max_len"),
):
    """A packet for an OpenFlow controller."""

    __slots__ = ()

    dont_send = Field(_Bool())
    continuation = Field(_Bool())
    reason = Field(_U16)
    recirc_id = Field(_U32)
    rule_cookie = Field(OtherOrder(64, "x", radix=16))
    controller_id = Field(_U16)
    max_len = Field(_U16)


class UserData(Opaque):
    """The user data of a userspace action: bytes, which may be those of a cookie.

    Exact text tells also what precedes the part of a cookie's type, where it is not what a text gives:
    ``slow_path(action),ofp_in_port=1,ofproto_uuid=01234567-…``. ``userdata=eeff0c`` are these very bytes.
    """

    _least = 8
    """``userdata(…)`` gives at least so many bytes, zero behind what it says; kernels before 3.10 wanted them."""

    def keep(self, value: object) -> bytes:
        """Accept a cookie, or bytes."""
        return value.to_userdata() if isinstance(value, Cookie) else super().keep(value)

    def show(self, kept: bytes, mask: bytes | None, style: Style) -> str:
        """Return the cookie's text, or ``userdata(hexadecimal)``; ``userdata=…`` for too few bytes if exact."""
        cookie = Cookie.from_userdata(kept)
        if cookie is None:
            is_short = style.exact and len(kept) < self._least
            return f"userdata={kept.hex()}" if is_short else f"userdata({kept.hex()})"
        if not style.exact:
            return cookie.show(style)
        shown = cookie.show(style) + _show_header(kept)
        return shown if self._reads_as(shown, kept) else f"userdata({kept.hex()})"

    def _reads_as(self, text: str, kept: bytes) -> bool:
        scanner = Scanner(text)
        try:
            return self.scan_word(scanner.word(), scanner) == kept
        except ParseError:
            return False

    def scan_word(self, word: str, scanner: Scanner) -> bytes:
        """Take what follows `word`, which is ``userdata`` or a cookie's."""
        if word == "userdata" and scanner.take("="):
            return _scan_pairs(scanner)
        scanner.expect("(")
        if word == "userdata":
            userdata = _scan_pairs(scanner).ljust(self._least, b"\0")
            scanner.expect(")")
            return userdata
        cookie = Cookie.by_word[word].scan(scanner)
        scanner.expect(")")
        return cookie.to_userdata(*_scan_header(scanner))


def _scan_pairs(scanner: Scanner) -> bytes:
    return bytes.fromhex(scanner.require(_HEX, "pairs of hexadecimal digits"))


def _show_header(userdata: bytes) -> str:
    _, port, uuid = COOKIE_HEADER.unpack_from(userdata)
    shown = "" if port == OFPP_NONE else f",ofp_in_port={port}"
    return f"{shown},ofproto_uuid={show_uuid(uuid)}" if any(uuid) else shown


def _scan_header(scanner: Scanner) -> tuple[int, bytes]:
    port = scanner.integer(0xFFFFFFFF, "a port number") if scanner.take(",ofp_in_port=") else OFPP_NONE
    return port, scan_uuid(scanner) if scanner.take(",ofproto_uuid=") else bytes(16)
