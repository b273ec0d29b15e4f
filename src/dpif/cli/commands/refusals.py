"""Commands of ``ovs-dpctl`` that concern its own datapath in user space, or hardware: here each is refused.

They are there so that a script gets the answer that it gets of ``ovs-dpctl`` on a kernel datapath, mistakes in its
words included.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.errors import CommandError, describe, invalid
from dpif.conntrack.parse import parse_number
from dpif.errors import netlink_error

if TYPE_CHECKING:
    from dpif.cli.context import Context


class _Word(NamedTuple):
    """What a word must be, and what is said of one that is not, or is missing."""

    accepts: Callable[[str], bool]
    complaint: str


class _Refusal(NamedTuple):
    """What is refused, and the words that are looked at before."""

    text: str
    words: tuple[_Word, ...] = ()


def _is_number(text: str) -> bool:
    try:
        parse_number(text, 32)
    except ValueError:
        return False
    return True


def _is_interval(text: str) -> bool:
    return _is_number(text) and int(text, 0) > 0


def _is_version(text: str) -> bool:
    return text in ("v4", "v6")


_VERSION = _Word(_is_version, "parameter missing: 'v4' for IPv4 or 'v6' for IPv6")
_REFUSALS = {
    "dump-conntrack-exp": _Refusal("starting conntrack expectations dump"),
    "ct-set-maxconns": _Refusal("ct set maxconns failed", (_Word(_is_number, "maxconns missing or malformed"),)),
    "ct-get-maxconns": _Refusal("maxconns could not be retrieved"),
    "ct-get-nconns": _Refusal("nconns could not be retrieved"),
    "ct-enable-tcp-seq-chk": _Refusal("enabling TCP sequence checking failed"),
    "ct-disable-tcp-seq-chk": _Refusal("disabling TCP sequence checking failed"),
    "ct-get-tcp-seq-chk": _Refusal("TCP sequence checking query failed"),
    "ct-get-sweep-interval": _Refusal("failed to get the sweep interval"),
    "ct-set-sweep-interval": _Refusal(
        "failed to set the sweep interval", (_Word(_is_interval, "invalid sweep value"),)
    ),
    "ipf-set-enabled": _Refusal("enabling fragmentation reassembly failed", (_VERSION,)),
    "ipf-set-disabled": _Refusal("disabling fragmentation reassembly failed", (_VERSION,)),
    "ipf-set-min-frag": _Refusal(
        "requested minimum fragment size too small; see documentation",
        (
            _Word(_is_version, "parameter missing: v4 for IPv4 or v6 for IPv6"),
            _Word(_is_number, "parameter missing for minimum fragment size"),
        ),
    ),
    "ipf-set-max-nfrags": _Refusal(
        "setting maximum fragments failed", (_Word(_is_number, "parameter missing for maximum fragments"),)
    ),
    "ipf-get-status": _Refusal("ipf status could not be retrieved"),
}


def refuse(context: Context) -> None:
    """Open the datapath, look at the words, refuse."""
    refusal = _REFUSALS[context.command.name]
    datapath, words = context.open_optional(_without(context.words, "zone="), len(refusal.words) + 1)
    with datapath:
        for index, word in enumerate(refusal.words):
            if index >= len(words) or not word.accepts(words[index]):
                raise invalid(word.complaint)
        whose = f"only the datapath inside ovs-vswitchd has it; try 'ovs-appctl dpctl/{context.command.name}'"
        raise CommandError(describe(refusal.text, netlink_error(errno.EOPNOTSUPP, explanation=whose)))


def show_buckets(context: Context) -> None:
    """Say that only the tracker of ``ovs-vswitchd`` has buckets."""
    datapath, _ = context.open_optional(_without(context.words, "gt="), 1)
    with datapath:
        if datapath.type != "system":
            raise CommandError(describe("starting conntrack dump", netlink_error(errno.EOPNOTSUPP)))
    context.print(_Message("Command is available for UserSpace ConnTracker only."))


def show_offload(context: Context) -> None:
    """Show that nothing is offloaded to hardware over this interface, as versions of ``ovs-dpctl`` after 3.1 do."""
    datapath, _ = context.open_optional(context.words, 1)
    with datapath:
        context.print(_NoStatistics())


class _NoStatistics(NamedTuple):
    """Statistics, of which there are none."""

    def lines(self) -> Iterator[str]:
        """Return their title."""
        yield "HW Offload stats:"

    def data(self) -> dict[str, object]:
        """Return none."""
        return {"statistics": []}


class _Message(NamedTuple):
    """What is said in place of an answer."""

    message: str

    def lines(self) -> Iterator[str]:
        """Return it."""
        yield self.message

    def data(self) -> dict[str, object]:
        """Return it."""
        return self._asdict()


def _without(words: list[str], prefix: str) -> list[str]:
    return [word for word in words if not word.startswith(prefix)]
