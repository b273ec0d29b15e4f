"""What the counters of a datapath say: losses on the way up, misses, and the cost of finding a flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dpif._typing import Final
from dpif.apps.doctor.findings import Finding, counted, notice, ok, problem
from dpif.client import Port
from dpif.odp.messages.datapath import DatapathRecord, DatapathStats, MegaflowStats

__all__ = ["examine_traffic"]

_ENOUGH: Final = 1000
"""Packets, below which shares mean nothing."""
_MANY_MISSES: Final = 0.2
_MANY_MASKS: Final = 8.0
"""Masks looked at for a packet, from which on the lookup is what costs."""
_FEW_CACHE_HITS: Final = 0.5


def examine_traffic(record: DatapathRecord, ports: Sequence[Port], datapath: str) -> Iterator[Finding]:
    """Yield what the datapath of this name counted since it was made."""
    if record.stats is not None:
        yield _losses(record.stats, datapath)
        yield _flows(record.stats, datapath)
        if record.megaflow_stats is not None:
            yield from _masks(record.stats, record.megaflow_stats, record.masks_cache_size, datapath)
    yield from _upcalls(ports, datapath)


def _losses(stats: DatapathStats, datapath: str) -> Finding:
    if not stats.n_lost:
        return ok(
            "lost",
            f"no packet was lost on its way up ({stats.n_missed} missed)",
            {"lost": 0, "missed": stats.n_missed},
        )
    return notice(
        "lost",
        f"{stats.n_lost} packets were lost on their way up, of {stats.n_missed} that missed",
        "Nobody listened, or a listener's queue was full, since the datapath was made.",
        f"see whether the number grows (dpif show {datapath}); if so, the listener is too slow or does not listen",
        {"lost": stats.n_lost, "missed": stats.n_missed},
    )


def _flows(stats: DatapathStats, datapath: str) -> Finding:
    packets = stats.n_hit + stats.n_missed
    share = stats.n_missed / packets if packets else 0.0
    facts = {"flows": stats.n_flows, "hit": stats.n_hit, "missed": stats.n_missed}
    found = f"{counted(stats.n_flows, 'flow')}; {share:.1%} of {counted(packets, 'packet')} missed them"
    if packets < _ENOUGH or share < _MANY_MISSES:
        return ok("flows", found, facts)
    return notice(
        "flows",
        found,
        "Flows are too narrow, go too early, or nobody installs them: each miss costs a trip to user space.",
        f"look at what they match: dpif dump-flows -m {datapath}",
        facts,
    )


def _masks(stats: DatapathStats, mega: MegaflowStats, cache: int | None, datapath: str) -> Iterator[Finding]:
    packets = stats.n_hit + stats.n_missed
    each = mega.n_mask_hit / packets if packets else 0.0
    facts = {"masks": mega.n_masks, "masks_per_packet": round(each, 2)}
    found = f"{counted(mega.n_masks, 'mask')}; a packet looks at {each:.2f} of them"
    if packets < _ENOUGH or each < _MANY_MASKS:
        yield ok("masks", found, facts)
    else:
        yield notice(
            "masks",
            found,
            "Each mask is one more lookup for a packet that the mask cache does not help.",
            f"see which masks differ: dpif dump-flows -m {datapath}; tables that match on fewer fields make fewer",
            facts,
        )
    if cache is not None and mega.n_masks > 1:
        yield from _mask_cache(packets, mega, cache, datapath)


def _mask_cache(packets: int, mega: MegaflowStats, size: int, datapath: str) -> Iterator[Finding]:
    rate = mega.n_cache_hit / packets if packets else 0.0
    facts = {"entries": size, "hit_rate": round(rate, 4)}
    if size == 0:
        yield notice(
            "mask-cache",
            "the mask cache is off",
            "Every packet tries masks one after the other.",
            f"dpif cache-set-size {datapath} masks-cache 256",
            facts,
        )
    elif not mega.n_cache_hit:
        return  # a kernel before 5.9, or a datapath in user space, does not count
    elif packets >= _ENOUGH and rate < _FEW_CACHE_HITS:
        yield notice(
            "mask-cache",
            f"the mask cache of {size} entries helps {rate:.0%} of the packets",
            "More connections are active than it holds.",
            f"dpif cache-set-size {datapath} masks-cache {size * 2}",
            facts,
        )
    else:
        yield ok("mask-cache", f"the mask cache of {size} entries helps {rate:.0%} of the packets", facts)


def _upcalls(ports: Sequence[Port], datapath: str) -> Iterator[Finding]:
    """Yield the ports whose upcalls failed; only newer kernels (6.2) count them."""
    for port in ports:
        if port.upcall_stats is not None and port.upcall_stats.fail:
            success, fail = port.upcall_stats
            yield problem(
                "upcalls",
                f"{fail} upcalls of this port failed, {success} went up",
                "Its packets miss faster than the listener reads, or nobody listens.",
                f"see what it sends: {_watch(datapath, port.name)}",
                {"success": success, "fail": fail},
                subject=port.name,
            )


def _watch(datapath: str, port: str) -> str:
    """Return what shows the packets of a port: not all in user space are devices of the host."""
    return f"tcpdump -ni {port}" if datapath.startswith("system@") else f"dpif upcalls {datapath} {port}"
