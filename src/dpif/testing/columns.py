"""What the columns of a flow should be, made the plain way from its typed values: the slow twin of `odp.columns`."""

from __future__ import annotations

from ipaddress import IPv6Address

from dpif._typing import Any
from dpif.client.flows import TerseFlow
from dpif.odp.constants import TunnelKeyAttr
from dpif.odp.model.attrs import Empty, Opaque, Scalar, Structure
from dpif.odp.model.layers import MplsStack
from dpif.odp.model.nest import Nest, Nested
from dpif.odp.model.structs import Record
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.addresses import Mac

__all__ = ["plain_columns"]


def plain_columns(flow: TerseFlow) -> dict[str, Any]:
    """Return the columns of one flow by name, without those that are null."""
    flow = TerseFlow(flow.record)  # of which a part that the message lacks is None
    columns: dict[str, Any] = {
        "packets": flow.packets,
        "bytes": flow.bytes,
        "flags": flow.tcp_flags,
    }
    if flow.actions is not None:
        columns["actions"] = flow.actions.format()
    if flow.used is not None:
        columns["used"] = flow.used
    if flow.ufid is not None:
        columns["ufid"] = bytes(flow.ufid)
    columns |= _columns(flow.key, "")
    columns |= {f"{name}.mask": value for name, value in _columns(flow.mask, "").items()}
    return columns


def _columns(nest: Nest | None, prefix: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, kept in nest.kept() if nest is not None else ():
        attr = nest.ATTRS.get(number) if nest is not None else None
        name = prefix + (attr.name if attr else f"key{number}")
        type_ = attr.type if attr else Opaque()
        if isinstance(type_, Nested):
            found |= _columns(kept, f"{name}.")
        elif isinstance(type_, Scalar):
            found[name] = _plain(type_.natural(kept), name)
        elif isinstance(type_, Structure):
            found |= _fields(kept, name)
        elif isinstance(type_, MplsStack):
            for index, entry in enumerate(kept):
                found |= _fields(entry, f"{name}.{index}" if index else name)
        elif isinstance(type_, Empty):
            found[name] = True
        elif not (isinstance(nest, Tunnel) and number == TunnelKeyAttr.PAD):
            found[name] = type_.encode(kept)
    return found


def _fields(record: Record, name: str) -> dict[str, Any]:
    return {f"{name}.{field.name}": _plain(getattr(record, field.name), name) for field in record.FIELDS}


def _plain(value: Any, name: str) -> int | bytes:
    if isinstance(value, Mac):
        return bytes(value)
    if isinstance(value, IPv6Address):
        return value.packed
    if name.rpartition(".")[2] == "ct_label":
        return int(value).to_bytes(16, "little")
    return int(value)
