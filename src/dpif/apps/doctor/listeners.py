"""Who gets a datapath's misses: its dispatch mode, the port ids in it, and the processes behind these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dpif._typing import NamedTuple
from dpif.apps.doctor.findings import Finding, counted, ok, problem
from dpif.apps.doctor.sockets import NetlinkSocket, generic_sockets, holders
from dpif.client import Port
from dpif.odp.constants import DatapathFeature
from dpif.odp.messages.datapath import DatapathRecord

__all__ = ["Sockets", "examine_listeners"]

_NOBODY = "Packets that no flow matches are dropped."
_RUN = "run a program that listens, such as dpif switch or dpif upcalls"
_LISTEN = (
    "start ovs-vswitchd, or let it take the datapath again ('systemctl restart openvswitch-switch'); "
    "or run a program of your own, such as dpif switch"
)


class Sockets(NamedTuple):
    """The sockets that may listen, and who has them by inode."""

    by_port_id: dict[int, NetlinkSocket]
    holders: dict[int, str]

    @classmethod
    def read(cls) -> Sockets | None:
        """Look at those of this namespace; None where the system does not show them."""
        try:
            sockets = generic_sockets()
        except OSError:
            return None
        return cls(sockets, dict(holders(sockets.values())))

    def holder(self, port_id: int) -> str:
        """Return who has the socket of a port id."""
        return self.holders.get(self.by_port_id[port_id].inode, "a process that cannot be seen from here")


def examine_listeners(
    record: DatapathRecord, ports: Sequence[Port], cpus: int, sockets: Sockets | None, *, in_kernel: bool = True
) -> Iterator[Finding]:
    """Yield how misses of `cpus` CPUs are dispatched, and to whom; without `sockets` it is not known who that is.

    No service of the system listens to a datapath that is not `in_kernel`.
    """
    listen = _LISTEN if in_kernel else _RUN
    features = DatapathFeature(record.user_features or 0)
    yield ok("features", f"features: {_names(features)}", {"features": _list(features)})
    if features & DatapathFeature.DISPATCH_UPCALL_PER_CPU:
        port_ids = record.per_cpu_pids or ()
        yield _per_cpu(port_ids, cpus, listen)
    else:
        port_ids = tuple(port_id for port in ports for port_id in port.upcall_pids)
        yield from _per_vport(ports, listen)
    listening = sorted(set(port_ids) - {0})
    if listening and sockets is not None:
        yield from _processes(listening, sockets)


def _names(features: DatapathFeature) -> str:
    return ", ".join(_list(features)) or "none"


def _list(features: DatapathFeature) -> list[str]:
    return [feature.name or "" for feature in DatapathFeature if feature in features]


def _per_cpu(port_ids: Sequence[int], cpus: int, listen: str) -> Finding:
    facts = {"mode": "per-cpu", "port_ids": list(port_ids), "cpus": cpus}
    if not any(port_ids):
        return problem("dispatch", "upcalls go out per CPU, to nobody", _NOBODY, listen, facts)
    found = f"upcalls go out per CPU: {counted(len(port_ids), 'port id')} for {counted(cpus, 'CPU')}"
    if len(port_ids) >= cpus and all(port_ids):
        return ok("dispatch", found, facts)
    return problem(
        "dispatch",
        found,
        "CPUs beyond the list share handlers (the kernel logs it); those whose port id is 0 lose their misses.",
        "restart the listener: it counts the CPUs when it starts",
        facts,
    )


def _per_vport(ports: Sequence[Port], listen: str) -> Iterator[Finding]:
    deaf = [port.name for port in ports if not any(port.upcall_pids)]
    if ports and len(deaf) == len(ports):
        yield problem("dispatch", "no port has a listener", _NOBODY, listen, {"mode": "per-vport", "without": deaf})
    elif deaf:
        found = f"ports without a listener: {', '.join(deaf)}"
        advice = f"somebody else added them; tell the listener of them, or take them out: dpif del-if … {deaf[0]}"
        yield problem("dispatch", found, _NOBODY, advice, {"mode": "per-vport", "without": deaf})
    else:
        yield ok(
            "dispatch",
            f"upcalls go out per port; {counted(len(ports), 'port')} with a listener",
            {"mode": "per-vport"},
        )


def _processes(port_ids: Sequence[int], sockets: Sockets) -> Iterator[Finding]:
    gone = [port_id for port_id in port_ids if port_id not in sockets.by_port_id]
    live = [port_id for port_id in port_ids if port_id in sockets.by_port_id]
    if gone:
        yield problem(
            "listener",
            f"port ids without a socket: {', '.join(map(str, gone))}",
            f"Who listened has ended without saying so. {_NOBODY}",
            _LISTEN,
            {"port_ids": gone},
        )
    if live:
        processes = sorted({sockets.holder(port_id) for port_id in live})
        yield ok(
            "listener",
            f"{counted(len(live), 'socket')} of {', '.join(processes)}",
            {"processes": processes, "port_ids": live},
        )
    drops = sum(sockets.by_port_id[port_id].drops for port_id in live)
    if drops:
        yield problem(
            "socket-drops",
            f"sockets of the listener were full {counted(drops, 'time')}",
            "Upcalls come faster than they are worked off; those packets are lost.",
            "give the listener more handlers or CPU; look who floods: dpif show -s",
            {"drops": drops},
        )
