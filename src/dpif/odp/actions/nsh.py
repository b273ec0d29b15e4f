"""The action that pushes a network service header (RFC 8300)."""

from __future__ import annotations

from dpif._typing import Any
from dpif.errors import DecodeError, EncodeError, brief
from dpif.netlink.attributes import attribute, walk
from dpif.odp.actions.base import Action
from dpif.odp.actions.hexadecimal import scan_hex, show_hex
from dpif.odp.constants import ActionAttr, KeyAttr, NshKeyAttr
from dpif.odp.model.attrs import Style
from dpif.odp.model.kinds import Plain, Raw
from dpif.odp.model.nsh import NSH_M_TYPE1, NSH_M_TYPE2, Nsh, NshBase, NshContext, scan_nsh_name, with_fields
from dpif.odp.model.scanner import Scanner

_DEFAULTS = NshBase(ttl=63, mdtype=NSH_M_TYPE1, np=3, si=255)
NSH_CTX_HDRS_MAX_LEN = 248
"""Bytes of metadata of type 2."""


class PushNsh(Action, number=ActionAttr.PUSH_NSH, word="push_nsh"):
    """Push the network service header ``nsh``: its base, and metadata of type 1 or 2.

    The C tool's text shows metadata of type 2 as one number, without the zero bytes at its start.
    """

    __slots__ = ("nsh",)

    def __init__(self, nsh: Nsh) -> None:
        if not isinstance(nsh, Nsh):
            raise EncodeError(f"expected an Nsh, not {brief(nsh)}", "PushNsh")
        self.nsh = nsh

    def payload(self) -> bytes:
        """Encode the header as the one attribute of a flow key."""
        return attribute(KeyAttr.NSH, self.nsh.to_bytes())

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Decode it."""
        found = [(number, data[start:end]) for number, start, end in walk(data)]
        if len(found) != 1 or found[0][0] != KeyAttr.NSH:
            raise DecodeError("expected one attribute NSH")
        return cls(Nsh.from_bytes(found[0][1]))

    def plain(self) -> Plain:
        """The header's attributes."""
        return self.nsh.plain()

    def show(self, style: Style) -> str:
        """Return every field."""
        base = self.nsh.base or _DEFAULTS
        if base.mdtype == NSH_M_TYPE1:
            metadata = (self.nsh.md1 or NshContext()).show()
        elif base.mdtype == NSH_M_TYPE2:
            metadata = f"md2={show_hex(self.nsh.md2 or b'', style)}"
        else:
            metadata = "<error: unknown mdtype>"
        return f"push_nsh({base.show()},{metadata})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take fields in any order; a header without any is of type 1."""
        scanner.expect("(")
        start = scanner.position
        fields: dict[str, Raw] = {}
        md2: bytes | None = None
        while True:
            scanner.skip_separators()
            if scanner.looking_at(")"):
                break
            if scanner.take("md2="):
                md2 = _scan_metadata(scanner)
            else:
                field = scan_nsh_name(scanner, "md2")
                fields[field.name] = field.kind.scan(scanner)
            scanner.expect_end_of("an argument")
        scanner.expect(")")
        base = with_fields(_DEFAULTS, fields)
        kept: dict[int, Any] = {NshKeyAttr.BASE: base}
        context = with_fields(NshContext(), fields)
        if base.mdtype not in (NSH_M_TYPE1, NSH_M_TYPE2):
            scanner.fail("mdtype is 1 or 2", position=start)
        if base.mdtype == NSH_M_TYPE1:
            kept[NshKeyAttr.MD1] = context
        elif md2:
            kept[NshKeyAttr.MD2] = md2
        if (base.mdtype == NSH_M_TYPE1 and md2) or (base.mdtype == NSH_M_TYPE2 and not context.is_zero()):
            scanner.fail("c1 to c4 go with mdtype=1, md2 with mdtype=2", position=start)
        return cls(Nsh.of_kept(kept))


def _scan_metadata(scanner: Scanner) -> bytes:
    """Take metadata of type 2, a multiple of four bytes; a bare ``0`` is what is shown of none."""
    if not scanner.looking_at("0x"):
        scanner.expect("0")
        return b""
    data = scan_hex(scanner, NSH_CTX_HDRS_MAX_LEN)
    return data + bytes(-len(data) % 4)
