"""What the families have in common (`Family`): registration, and how the engine's errors become answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from errno import EIO

from dpif._typing import ClassVar, TypeVar
from dpif.netlink.answering import Call, Command, Refusal
from dpif.netlink.constants import NLA_MAX_PAYLOAD
from dpif.netlink.generic import GENL_HDRLEN
from dpif.netlink.service import Service
from dpif.odp.actions import Actions
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.messages import Record
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.userspace.engine.namespace import Namespace

T = TypeVar("T")


class Family:
    """One family. A subclass names its record and multicast group and gives its commands."""

    RECORD: ClassVar[type[Record]]
    GROUP: ClassVar[str | None] = None

    def __init__(self, service: Service, namespace: Namespace) -> None:
        self.service = service
        self.namespace = namespace
        self.rules = namespace.rules

    def commands(self) -> Mapping[int, Command]:
        """Return what the family can do, by command number."""
        raise NotImplementedError

    def register(self) -> None:
        """Offer the family."""
        self.service.add_family(
            self.RECORD.FAMILY,
            {number: _with_refusals(command) for number, command in self.commands().items()},
            version=self.RECORD.VERSION,
            header_size=OVS_HDRLEN - GENL_HDRLEN,
            groups=() if self.GROUP is None else (self.GROUP,),
            max_attribute=self.max_attribute(),
        )

    def max_attribute(self) -> int:
        """Return the highest attribute number that the family knows."""
        return max(self.RECORD.ATTRIBUTES.entries)


def _with_refusals(command: Command) -> Command:
    return command._replace(
        do=None if command.do is None else refusing(command.do),
        dump=None if command.dump is None else _refusing_rows(command.dump),
    )


def refusing(handler: Callable[[Call], T]) -> Callable[[Call], T]:
    """Return a handler whose errors, where they are the engine's, become answers."""

    def handle(call: Call) -> T:
        try:
            return handler(call)
        except (RuleBroken, OSError) as error:
            raise _refusal_of(error) from None

    return handle


def _refusing_rows(handler: Callable[[Call], Iterable[bytes]]) -> Callable[[Call], Iterator[bytes]]:
    """Return the handler of a dump whose errors, even its first, come up as rows are asked for.

    The kernel opens a dump before it looks for the datapath, so that the answer for one that is not there is the
    code that ends the dump.
    """

    def rows(call: Call) -> Iterator[bytes]:
        try:
            yield from handler(call)
        except (RuleBroken, OSError) as error:
            raise _refusal_of(error) from None

    return rows


def actions_to_tell(actions: Actions) -> bytes | None:
    """Return actions as they are told; None, and as by the kernel they are left out, when an attribute is too short.

    They may come in 65,531 bytes, whose last nest has no padding, and are told with it.
    """
    payload = actions.to_bytes()
    return payload if len(payload) <= NLA_MAX_PAYLOAD else None


def _refusal_of(error: RuleBroken | OSError) -> Refusal:
    if isinstance(error, RuleBroken):
        return Refusal(error.errno, str(error))
    code = error.errno or EIO
    explanation = "" if error.strerror is None or error.strerror == os.strerror(code) else str(error.strerror)
    return Refusal(code, explanation)
