"""``upcalls``: print the packets that a datapath hands up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.commands.listening import end_by_signals, tell_losses, until_rung, wanted_count
from dpif.cli.errors import CommandError
from dpif.cli.numbers import read_number
from dpif.cli.output.flow_data import actions_data
from dpif.cli.output.flow_views import port_names
from dpif.odp.actions import Actions
from dpif.odp.actions.cookies import Cookie, UserData
from dpif.odp.model.attrs import Style
from dpif.odp.model.key import FlowKey, format_key

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath
    from dpif.client.upcalls import Upcall

_USERDATA = UserData()
_METADATA = ("recirc_id", "dp_hash", "skb_priority", "skb_mark", "ct_state", "ct_zone", "ct_mark", "ct_label")


def upcalls(context: Context) -> None:
    """Take the misses of a datapath, or of some ports, and print them until told to end."""
    count = wanted_count(context)
    datapath, words = context.open_first()
    with datapath, end_by_signals() as bell:
        ports = [_number(datapath, word) for word in words] if words else None
        if not context.options.take_over:
            _require_nobody(datapath, ports)
        names = port_names(context, datapath)
        with context.failing(f"listening to upcalls of {datapath}"):
            listener = datapath.upcalls(ports=ports)
        with listener:
            pid = listener.pid_of(ports[0] if ports else 0)
            context.note(f"listening to {datapath}, as userspace(pid={pid}); Ctrl-C ends it")
            verbose = bool(context.options.more)
            seen = until_rung(bell, listener, count)
            context.print_each("upcalls", (UpcallLine(upcall, verbose, names) for upcall in seen))
            tell_losses(context, listener.overruns, listener.malformed)
            if listener.is_gone:
                context.report(f"{datapath} was deleted")


def _number(datapath: Datapath, word: str) -> int:
    """Return the number of a port: an argument of digits alone is one, as of ``del-if``."""
    from dpif.errors import NoSuchObject

    try:
        number = read_number(word)
        return datapath.ports.get(word if number is None else number).number
    except NoSuchObject:
        present = ", ".join(port.name for port in datapath.ports)
        raise CommandError(f"no port named {word}; {datapath} has: {present}") from None


def _require_nobody(datapath: Datapath, ports: list[int] | None) -> None:
    """Raise `CommandError` when somebody gets the misses that are asked for."""
    listening = {pid for pid in datapath.read().per_cpu_pids or () if pid}
    for port in datapath.ports:
        if ports is None or port.number in ports:
            listening.update(pid for pid in port.upcall_pids if pid)
    if listening:
        ids = ", ".join(map(str, sorted(listening)))
        raise CommandError(
            f"somebody is named to get these packets already (netlink port ids: {ids}), and would get none of them; "
            "--take-over takes them all the same"
        )


class UpcallLine(NamedTuple):
    """An upcall as it is printed."""

    upcall: Upcall
    verbose: bool
    port_names: Mapping[int, str] | None

    def lines(self) -> Iterator[str]:
        """Return its line: why it came, its key, and what came with it."""
        upcall = self.upcall
        parts = [f"{_kind(upcall)}: {self._match(upcall.key)}", f"length:{upcall.length}"]
        if upcall.userdata is not None:
            parts.append(_USERDATA.show(upcall.userdata, None, Style(self.verbose, self.port_names)))
        if upcall.actions is not None:
            parts.append(f"actions:{upcall.actions.format(verbose=self.verbose, port_names=self.port_names)}")
        if upcall.egress_tunnel is not None:
            parts.append(f"egress:{FlowKey(tunnel=upcall.egress_tunnel)}")
        if self.verbose:
            parts.append(f"packet:{upcall.packet.hex()}")
        yield ", ".join(parts)

    def data(self) -> dict[str, object]:
        """Return all that is told of it."""
        upcall = self.upcall
        cookie = None if upcall.userdata is None else Cookie.from_userdata(upcall.userdata)
        key, actions, tunnel = upcall.key, upcall.actions, upcall.egress_tunnel
        shown = actions_data(Actions() if actions is None else actions, port_names=self.port_names)
        return {
            "kind": _kind(upcall),
            "match": self._match(key),
            "key": key.plain(),
            "packet": upcall.packet.hex(),
            "length": upcall.length,
            "userdata": None if upcall.userdata is None else upcall.userdata.hex(),
            "cookie": cookie and {cookie.WORD: cookie.plain()},
            **(dict.fromkeys(shown) if actions is None else shown),
            "egress_tunnel": None if tunnel is None else tunnel.plain(),
            "mru": upcall.mru,
            "hash": upcall.hash,
        }

    def _match(self, key: FlowKey) -> str:
        """Return the text of a key; metadata that says nothing is shown when more is asked for."""
        if not self.verbose:
            key = key.replace(**{name: None for name in _METADATA if not getattr(key, name)})
        return format_key(key, verbose=self.verbose, port_names=self.port_names)


def _kind(upcall: Upcall) -> str:
    return "miss" if upcall.is_miss else "action"
