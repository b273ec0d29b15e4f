"""A toy family for the tests of both ends: a table of rows, each an unsigned 32-bit number."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from errno import EEXIST, ENODEV, ENOENT

import pytest

from dpif.errors import DecodeError
from dpif.netlink.answering import Call, Command, Refusal
from dpif.netlink.exchange import Request, RequestKind
from dpif.netlink.generic import pack_header
from dpif.netlink.service import Service


class Toy:
    """The table, the service that offers it, and the requests that a client would make."""

    ADD, GET, LATE, REFUSED, WIDE, BROKEN, CRASH = range(1, 8)

    def __init__(self) -> None:
        self.rows: dict[int, None] = {}
        self.calls: list[Call] = []
        self.service = Service()
        self.family = self.service.add_family(
            "toy",
            {
                self.ADD: Command(do=self._add, group="toys"),
                self.GET: Command(do=self._get, dump=lambda call: map(self.record, list(self.rows))),
                self.LATE: Command(dump=self._late),
                self.REFUSED: Command(dump=self._refused),
                self.WIDE: Command(dump=lambda call: (bytes(20000) for _ in range(5))),
                self.BROKEN: Command(do=lambda call: self.record(1)[:6], dump=lambda call: [self.record(1)[:6]]),
                self.CRASH: Command(do=lambda call: bytes(1 // 0)),
            },
            header_size=4,
            groups=["toys", "others"],
        )

    # What the handlers do.

    def _add(self, call: Call) -> bytes:
        self.calls.append(call)
        number = self.decode(call.payload)
        if number in self.rows:
            raise Refusal(EEXIST, "the row is there", 20)
        self.rows[number] = None
        return self.record(number, self.ADD)

    def _get(self, call: Call) -> bytes:
        number = self.decode(call.payload)
        if number not in self.rows:
            raise Refusal(ENOENT)
        return self.record(number)

    def _late(self, call: Call) -> Iterator[bytes]:
        yield self.record(1)
        raise Refusal(ENODEV, "it went away")

    def _refused(self, call: Call) -> Iterator[bytes]:
        raise Refusal(ENODEV)

    # What a client needs.

    @staticmethod
    def record(number: int, command: int = GET) -> bytes:
        return pack_header(command, 1) + struct.pack("=I", number)

    @staticmethod
    def decode(payload: memoryview) -> int:
        if len(payload) != 8:
            raise DecodeError(f"{len(payload)} bytes are not a row")
        number: int = struct.unpack_from("=I", payload, 4)[0]
        return number

    def ask(self, command: int, number: int = 0, flags: int = 0) -> Request[int]:
        kind = RequestKind("toy", self.decode, f"ask {command} of {number}", flags)
        return Request(kind, self.record(number, command))

    def add(self, number: int, flags: int = 0) -> Request[int]:
        return self.ask(self.ADD, number, flags)

    def get(self, number: int) -> Request[int]:
        return self.ask(self.GET, number)


@pytest.fixture
def toy() -> Toy:
    return Toy()
