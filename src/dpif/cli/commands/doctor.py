"""``doctor``: what is wrong with this host and its datapaths, and what to do about it."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from dpif._open import datapaths_by
from dpif._typing import TYPE_CHECKING, Any, NamedTuple
from dpif.apps.doctor import Finding, Level, diagnose, diagnose_host, diagnose_tunnels, examine_bounds, worst
from dpif.apps.doctor.findings import counted, notice, ok
from dpif.errors import Unavailable

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath

_HOST = "this host"
_INDENT = " " * 11
_OF_KERNEL = "dpif add-dp dp0, or start ovs-vswitchd; "


class Section(NamedTuple):
    """The findings about the host, one datapath, or a server."""

    title: str
    findings: list[Finding]

    def lines(self, width: int = 0) -> Iterator[str]:
        """Return a line for each finding; behind one that is not well, what it means and what to do.

        On a terminal of some `width` each takes as many lines as it needs.
        """
        yield f"{self.title}:"
        for finding in self.findings:
            subject = f"{finding.subject}: " if finding.subject else ""
            yield from _lines(f"  {finding.level.value:<8} ", f"{subject}{finding.found}", width)
            if finding.meaning:
                yield from _lines(_INDENT, finding.meaning, width)
            if finding.advice:
                yield from _lines(f"{_INDENT}-> ", finding.advice, width)

    def data(self) -> dict[str, Any]:
        """Return the findings, for a script."""
        return {"subject": self.title, "findings": [_data(finding) for finding in self.findings]}


class Diagnosis(NamedTuple):
    """All sections; ``width`` is that of the terminal they are shown on, 0 without one."""

    sections: list[Section]
    width: int = 0

    @property
    def level(self) -> Level:
        """How bad the worst of it is."""
        return worst(finding for section in self.sections for finding in section.findings)

    def lines(self) -> Iterator[str]:
        """Return the sections' lines, then how much was found."""
        levels = [finding.level for section in self.sections for finding in section.findings]
        for section in self.sections:
            yield from section.lines(self.width)
        problems, notices = levels.count(Level.PROBLEM), levels.count(Level.NOTICE)
        yield f"{counted(problems, 'problem')}, {counted(notices, 'notice')} in {counted(len(levels), 'check')}"

    def data(self) -> dict[str, Any]:
        """Return the sections, and the level of the worst finding, for a script."""
        return {"level": self.level.value, "sections": [section.data() for section in self.sections]}


def doctor(context: Context) -> int:
    """Examine the host, the datapaths named, or all, and their server; exit with 1 when there is a problem."""
    names = context.words or _names(context)
    attached: set[str] = set()

    def examine(datapath: Datapath) -> Section:
        findings = list(diagnose(datapath))
        attached.update(port.name for port in datapath.ports)
        return Section(str(datapath), findings)

    sections = list(context.each_datapath(names, examine)) if names else []
    if any(name.startswith("netdev@") for name in names):
        sections += _servers(context)
    about_host = list(diagnose_host(needs_kernel=not names or any(not name.startswith("netdev@") for name in names)))
    if not context.words:
        has_kernel = not any(finding.facts.get("module") == "missing" for finding in about_host)
        about_host += [_datapaths(names, has_kernel), *diagnose_tunnels(attached)]
    screen = context.screen
    diagnosis = Diagnosis([Section(_HOST, about_host), *sections], screen.width if screen else 0)
    context.print(diagnosis)
    return 1 if diagnosis.level is Level.PROBLEM or context.status else 0


def _lines(start: str, text: str, width: int) -> list[str]:
    """Return `text` behind `start`, in lines of `width` where that is not 0."""
    later = " " * len(start)
    if len(start) + len(text) <= width or not width:
        return [start + text]
    import textwrap

    width = max(width, len(start) + 20)
    return textwrap.wrap(
        text, width, initial_indent=start, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )


def _names(context: Context) -> list[str]:
    """Return all datapaths; none where there can be none, which the findings about the host explain."""
    try:
        return sorted(datapaths_by(context.connect))
    except Unavailable as error:
        if error.errno != errno.ENOENT:
            context.report("looking for datapaths", error)
        return []


def _servers(context: Context) -> Iterator[Section]:
    """Yield what the server of datapaths in user space has in use of its bounds."""
    from dpif.netlink.unix import bounds_of_server, default_socket_path

    path = context.options.socket or default_socket_path()
    with contextlib.suppress(Unavailable):  # its datapaths have said so
        bounds = bounds_of_server(path, context.tell_of_waiting)
        if bounds:
            yield Section("the server of netdev@", list(examine_bounds(bounds)))


def _datapaths(names: list[str], has_kernel: bool) -> Finding:
    """Return which there are; where there are none, how to make one, a kernel's only where it has some."""
    if names:
        return ok("datapaths", f"datapaths: {', '.join(names)}", {"datapaths": names})
    return notice(
        "datapaths",
        "no datapaths exist",
        "Nothing forwards packets.",
        f"{_OF_KERNEL if has_kernel else ''}in user space: dpif serve --detach, and then dpif add-dp netdev@br0",
        {"datapaths": names},
    )


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "level": finding.level.value,
        "subject": finding.subject or None,
        "found": finding.found,
        "meaning": finding.meaning or None,
        "advice": finding.advice or None,
        "facts": dict(finding.facts),
    }
