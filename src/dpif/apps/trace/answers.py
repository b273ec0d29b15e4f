"""What is known of connections, as people write it: states as ``est|rpl``, connections as ``zone=5,state=new``."""

from __future__ import annotations

from dpif.apps.trace.packet import Connection
from dpif.errors import ParseError
from dpif.odp.constants import CtState
from dpif.odp.kernel.swkey import bits, put

_FLAGS = {
    "new": CtState.NEW,
    "est": CtState.ESTABLISHED,
    "rel": CtState.RELATED,
    "rpl": CtState.REPLY_DIR,
    "inv": CtState.INVALID,
    "trk": CtState.TRACKED,
    "snat": CtState.SRC_NAT,
    "dnat": CtState.DST_NAT,
}
_NAMES = {"mark": "ct.mark", "label": "ct.labels"}


def state(text: str) -> int:
    """Return a state of flags joined by ``|`` or ``,``, tracked in any case; raise `ParseError`."""
    found = int(CtState.TRACKED)
    for word in text.replace(",", "|").split("|"):
        flag = _FLAGS.get(word.strip().removeprefix("+"))
        if flag is None:
            raise ParseError(f"'{word}' is no conntrack state", text, text.find(word), f"one of {', '.join(_FLAGS)}")
        found |= flag
    return found


def connection(text: str) -> tuple[int, Connection]:
    """Return the zone, 0 unless it is told, and what is known of the connection there; raise `ParseError`."""
    zone = value = 0
    known = put(0, "ct_state", CtState.TRACKED)
    value = known
    for part in text.split(","):
        name, equals, told = part.partition("=")
        if not equals:
            raise ParseError(f"'{part}' has no value", text, text.find(part), "zone=5,state=est|rpl,mark=1,label=2")
        if name == "state":
            value, known = value | put(0, "ct_state", state(told)), known | bits("ct_state")
        elif name == "zone":
            zone = _number(told, text)
        elif name in _NAMES:
            value, known = value | put(0, _NAMES[name], _number(told, text)), known | bits(_NAMES[name])
        else:
            raise ParseError(
                f"'{name}' is not known of connections", text, text.find(part), "zone, state, mark, label"
            )
    return zone, Connection(value, known)


def _number(told: str, text: str) -> int:
    try:
        return int(told, 0)
    except ValueError:
        raise ParseError(f"'{told}' is not a number", text, text.find(told)) from None
