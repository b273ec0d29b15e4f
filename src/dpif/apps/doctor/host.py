"""The host under the datapaths: its kernel and module, this process's rights, the table of connections.

All is read from ``/proc`` and ``/sys``; `examine_host` takes another root for tests. Which datapaths there are is
not its business.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from pathlib import Path

from dpif.apps.doctor.findings import Facts, Finding, notice, ok, problem

__all__ = ["examine_host"]

_CAP_NET_ADMIN = 12
_NEARLY_FULL = 0.9
"""The share of the table of connections from which on it is a problem."""


def examine_host(root: Path = Path("/"), *, needs_kernel: bool = True) -> Iterator[Finding]:
    """Yield what there is to say about the host whose file system is at `root`.

    Without `needs_kernel` it is only said what kernel this is: datapaths in user space need nothing of it, nor
    rights.
    """
    if platform.system() != "Linux":
        yield notice(
            "kernel",
            f"this is {platform.system()}",
            "Only Linux has a datapath in its kernel.",
            "use one in user space: dpif serve",
        )
        return
    yield _kernel(root, problem if needs_kernel else _as_it_may_be)
    if needs_kernel:
        yield _rights(root)
        yield from _connections(root)


def _as_it_may_be(check: str, found: str, _meaning: str, _advice: str, facts: Facts) -> Finding:
    return ok(check, f"{found}; here none is needed", facts)


def _kernel(root: Path, missing: Callable[..., Finding]) -> Finding:
    release = _read(root / "proc/sys/kernel/osrelease") or platform.release()
    if (root / "sys/module/openvswitch").exists():
        return ok(
            "kernel-module", f"Linux {release} has the module openvswitch", {"release": release, "module": "loaded"}
        )
    if _is_installed(root, release):
        return missing(
            "kernel-module",
            f"the module openvswitch of Linux {release} is not loaded",
            "There can be no system@ datapath.",
            "modprobe openvswitch",
            {"release": release, "module": "not loaded"},
        )
    return missing(
        "kernel-module",
        f"Linux {release} has no module openvswitch",
        "There can be no system@ datapath.",
        "install the package with the kernel's further modules, or use a datapath in user space: dpif serve",
        {"release": release, "module": "missing"},
    )


def _is_installed(root: Path, release: str) -> bool:
    modules = root / "lib/modules" / release
    lists = (_read(modules / name) for name in ("modules.dep", "modules.builtin"))
    return any("/openvswitch.ko" in text for text in lists)


def _rights(root: Path) -> Finding:
    status = dict(line.partition(":")[::2] for line in _read(root / "proc/self/status").splitlines())
    effective = int(status.get("CapEff", "0").strip() or "0", 16)
    if effective >> _CAP_NET_ADMIN & 1:
        return ok("rights", "this process has CAP_NET_ADMIN", {"cap_net_admin": True})
    return notice(
        "rights",
        "this process lacks CAP_NET_ADMIN",
        "It may look at datapaths of the kernel and change none; whose sockets these are cannot be seen.",
        "run it with sudo",
        {"cap_net_admin": False},
    )


def _connections(root: Path) -> Iterator[Finding]:
    """Yield how full the table of tracked connections is, where there is one."""
    directory = root / "proc/sys/net/netfilter"
    count, most = _read(directory / "nf_conntrack_count"), _read(directory / "nf_conntrack_max")
    if not (count.isdecimal() and most.isdecimal() and int(most)):
        return
    facts = {"connections": int(count), "limit": int(most)}
    found = f"{count} of {most} connections are tracked"
    if int(count) < _NEARLY_FULL * int(most):
        yield ok("connections", found, facts)
        return
    yield problem(
        "connections",
        found,
        "When the table is full, ct() drops the packets of new connections.",
        "find who fills it with 'dpif dump-conntrack', or raise net.netfilter.nf_conntrack_max by sysctl",
        facts,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
