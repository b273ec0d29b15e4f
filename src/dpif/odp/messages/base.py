"""What the messages of all Open vSwitch families share: headers around attributes.

A `Record` is one message of a family, as a value with a Python name for each attribute. Both sides use it: the
client fills in what it asks for and reads what it is told, a datapath in user space the other way round. Only
attributes that are set are sent; those that this library does not know are kept in ``unknown``.

::

    nlmsghdr | genlmsghdr: command, version | ovs_header: dp_ifindex | attributes
             ^ a payload starts here
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from enum import IntEnum

from dpif._typing import Any, ClassVar, Self, TypeVar, dataclass_transform, overload
from dpif.errors import DecodeError, EncodeError, brief
from dpif.netlink.attributes import Buffer, RawAttr
from dpif.netlink.exchange import Request, RequestKind
from dpif.netlink.policy import AttributeSet

T = TypeVar("T")

_HEADERS = struct.Struct("=BBHi")
OVS_HDRLEN = _HEADERS.size
"""Bytes of a payload before its attributes: ``struct genlmsghdr`` and ``struct ovs_header``."""


@functools.lru_cache(64)
def pack_headers(command: int, version: int, dp_ifindex: int) -> bytes:
    """Return the two headers; raise `EncodeError`."""
    try:
        return _HEADERS.pack(command, version, 0, dp_ifindex)
    except struct.error:
        fields = f"command {brief(command)}, version {brief(version)} or dp_ifindex {brief(dp_ifindex)}"
        raise EncodeError(f"{fields} is out of range") from None


def unpack_headers(payload: Buffer) -> tuple[int, int, int]:
    """Return command, version and dp_ifindex; raise `DecodeError` when `payload` is too short."""
    if len(payload) < OVS_HDRLEN:
        raise DecodeError(f"expected headers of {OVS_HDRLEN} bytes, found {len(payload)}", "ovs_header")
    command, version, _, dp_ifindex = _HEADERS.unpack_from(payload)
    return command, version, dp_ifindex


@dataclass_transform(kw_only_default=True)
class _Fields:
    """A value with a field for each annotation in lower case, whose default is the class's own attribute.

    It is what a dataclass would be, without the module ``dataclasses``, whose import and work take as long as a
    short command line.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        cls.FIELDS = (*cls.FIELDS, *[name for name in cls.__annotations__ if name.islower()])
        cls._names = frozenset(cls.FIELDS)

    def __init__(self, **values: Any) -> None:
        if not self._names.issuperset(values):
            name = min(values.keys() - self._names)
            raise TypeError(f"{type(self).__name__} has no field {name!r}; it has {', '.join(self.FIELDS)}")
        self.__dict__ = values  # a fresh one, which nobody else has

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]  # it can be changed

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.FIELDS)
        return f"{type(self).__name__}({values})"


class Record(_Fields):
    """One message of a family.

    ``command`` is the family's (NEW, GET, …), ``version`` what the sender speaks, ``dp_ifindex`` the datapath
    (the interface index of its local port), or 0. Subclasses add a field for each attribute of ``ATTRIBUTES``,
    named like it in lower case.
    """

    FAMILY: ClassVar[str]
    VERSION: ClassVar[int] = 1
    ATTRIBUTES: ClassVar[AttributeSet]
    REQUIRED: ClassVar[tuple[IntEnum, ...]] = ()
    """The attributes that a reply must have."""

    command: int = 0
    version: int | None = None
    dp_ifindex: int = 0
    unknown: tuple[RawAttr, ...] = ()

    @classmethod
    def from_payload(cls, payload: Buffer) -> Self:
        """Decode headers and attributes; raise `DecodeError`."""
        command, version, dp_ifindex = unpack_headers(payload)
        decoded = cls.ATTRIBUTES.decode(payload, OVS_HDRLEN)
        members = cls._members()
        values: dict[str, Any] = {members[number]: value for number, value in decoded.values.items()}
        return cls(command=command, version=version, dp_ifindex=dp_ifindex, unknown=decoded.unknown, **values)

    @classmethod
    def from_reply(cls, payload: Buffer) -> Self:
        """Decode as `from_payload` does, and insist on what a reply must have."""
        record = cls.from_payload(payload)
        for member in cls.REQUIRED:
            if getattr(record, member.name.lower()) is None:
                raise DecodeError("missing from the reply", f"{cls.ATTRIBUTES.name}.{member.name}", OVS_HDRLEN)
        return record

    def to_payload(self) -> bytes:
        """Encode headers and the attributes that are set, in the order of the fields; raise `EncodeError`."""
        values = {number: getattr(self, name) for number, name in self._members().items()}
        version = self.VERSION if self.version is None else self.version
        return pack_headers(self.command, version, self.dp_ifindex) + self.ATTRIBUTES.encode(values, self.unknown)

    @overload
    def request(self, operation: str, flags: int = 0) -> Request[Self]: ...
    @overload
    def request(self, operation: str, flags: int = 0, *, decode: Callable[[Buffer], T]) -> Request[T]: ...
    def request(
        self, operation: str, flags: int = 0, *, decode: Callable[[Buffer], Any] | None = None
    ) -> Request[Any]:
        """Return the request that sends this record; `operation` says in words what it does, for errors.

        `decode` reads the payload of a reply; by default it becomes a record again.
        """
        kind = RequestKind(self.FAMILY, decode or type(self).from_reply, operation, flags)
        return Request(kind, self.to_payload())

    @classmethod
    def _members(cls) -> dict[int, str]:
        names = _MEMBERS.get(cls)
        if names is None:
            names = _MEMBERS[cls] = {
                int(member): member.name.lower()
                for member in cls.ATTRIBUTES.entries
                if member.name.lower() in cls.FIELDS
            }
        return names


_MEMBERS: dict[type[Record], dict[int, str]] = {}
