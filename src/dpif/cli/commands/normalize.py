"""``normalize-actions``: actions sorted by the VLAN tags that a packet has when they are done.

There is more than one way to send a packet out with tag 9 on one port and with tag 11 on another; whatever the
order of the actions, this shows the same lines. As in the reference, only VLAN tags are taken into account.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.commands.flow_texts import read_actions, refuse_openflow
from dpif.cli.errors import CommandError, describe, syntax
from dpif.cli.numbers import read_number
from dpif.errors import ParseError, netlink_error
from dpif.odp.actions import Action, Actions, Output, PopVlan, PushVlan
from dpif.odp.constants import VLAN_CFI
from dpif.odp.kernel.match import explain_match
from dpif.odp.model.key import FlowKey, format_key, parse_key

if TYPE_CHECKING:
    from dpif.cli.context import Context

MAX_TAGS = 2
"""Tags that are told apart (FLOW_MAX_VLAN_HEADERS of Open vSwitch)."""
_PORT = re.compile(r"([^=]{1,15})=(\d++)")


class Tag(NamedTuple):
    """A VLAN tag: its EtherType and TCI."""

    tpid: int
    tci: int

    def __str__(self) -> str:
        tpid = "" if self.tpid == 0x8100 else f"tpid=0x{self.tpid:04x},"
        return f"vlan({tpid}vid={self.tci & 0xFFF},pcp={self.tci >> 13}): "

    def data(self) -> dict[str, int]:
        """Return EtherType, VLAN id and priority."""
        return {"tpid": self.tpid, "vid": self.tci & 0xFFF, "pcp": self.tci >> 13}


Tags = tuple[Tag, ...]


def normalize_actions(context: Context) -> None:
    """Print actions by the tags that a packet of the flow has when they are done."""
    text, actions_text, *named = context.words
    ports = dict(map(_named_port, named))
    context.print(Normalized(_read_key(text, ports), actions_text, ports, bool(context.options.more)))


class Normalized(NamedTuple):
    """A flow's key, and what its actions come to; these are read when they are told."""

    key: FlowKey
    actions_text: str
    ports: Mapping[str, int]
    verbose: bool

    def lines(self) -> Iterator[str]:
        """Return the key, and the actions for each stack of tags."""
        yield f"input flow: {format_key(self.key, verbose=self.verbose)}"
        actions = self._actions()
        if self.verbose:
            yield f"input actions: {actions.format()}"
        tags, inner = _tags(self.key)
        mpls = "no mpls: "
        if inner.mpls:
            mpls = f"mpls(label={inner.mpls[0].label},tc={inner.mpls[0].tc},ttl={inner.mpls[0].ttl}): "
        for done_with, some in _groups(tags, actions):
            yield f"{''.join(map(str, done_with)) or 'no vlan: '}{mpls}{some.format()}"

    def data(self) -> dict[str, object]:
        """Return the same; beside each text its structure."""
        from dpif.cli.output.flow_data import actions_data, match_data

        actions = self._actions()
        tags, inner = _tags(self.key)
        mpls = inner.mpls[0].plain() if inner.mpls else None
        groups = [
            {"vlans": [tag.data() for tag in done_with], "mpls": mpls, **actions_data(some)}
            for done_with, some in _groups(tags, actions)
        ]
        return {"input": match_data(self.key, None, verbose=self.verbose) | actions_data(actions), "groups": groups}

    def _actions(self) -> Actions:
        broken = explain_match(self.key)
        if broken is not None:
            raise CommandError(describe(f"odp_flow_key_to_flow failed ({broken})", netlink_error(broken.errno)))
        return read_actions(self.actions_text, "odp_actions_from_string", self.ports)


def _named_port(word: str) -> tuple[str, int]:
    match = _PORT.fullmatch(word)
    number = None if match is None else read_number(match[2])
    if match is None or number is None:
        raise CommandError(f"{word}: expected NAME=NUMBER")
    return match[1], number


def _read_key(text: str, ports: Mapping[str, int]) -> FlowKey:
    try:
        return parse_key(text, ports)
    except ParseError as error:
        refuse_openflow("odp_flow_key_from_string", text, None)
        failure = netlink_error(errno.EINVAL)
        raise CommandError(describe(f"odp_flow_key_from_string ({syntax(error)})", failure)) from None


def _tags(key: FlowKey) -> tuple[Tags, FlowKey]:
    """Return the tags of a packet with this key, outermost first, and the key behind them."""
    tags: list[Tag] = []
    while key.vlan is not None and key.encap is not None and key.eth_type is not None:
        tags.append(Tag(key.eth_type, int.from_bytes(key.vlan.to_bytes(), "big")))
        key = key.encap
    return tuple(tags[:MAX_TAGS]), key


def _groups(tags: Tags, actions: Actions) -> Iterator[tuple[Tags, Actions]]:
    """Yield the actions for each stack of tags that a packet has when they are done, in order."""
    for done_with, some in sorted(_by_tags(tags, actions).items()):
        yield done_with, Actions(_sorted_outputs(some))


def _by_tags(tags: Tags, actions: Actions) -> dict[Tags, list[Action]]:
    """Return the actions but pushes and pops, by the tags that the packet has then."""
    found: dict[Tags, list[Action]] = {} if actions else {tags: []}
    for action in actions:
        if isinstance(action, PopVlan):
            tags = tags[1:]
        elif isinstance(action, PushVlan):
            tci = action.pcp << 13 | (VLAN_CFI if action.cfi else 0) | action.vid
            tags = (Tag(action.tpid, tci), *tags)[:MAX_TAGS]
        else:
            found.setdefault(tags, []).append(action)
    return found


def _sorted_outputs(actions: list[Action]) -> Iterator[Action]:
    """Yield the actions with outputs that follow one another sorted by port."""
    outputs: list[Output] = []
    for action in actions:
        if isinstance(action, Output):
            outputs.append(action)
            continue
        yield from sorted(outputs, key=lambda output: output.port)
        outputs.clear()
        yield action
    yield from sorted(outputs, key=lambda output: output.port)
