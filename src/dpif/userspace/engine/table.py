"""The flow table: flows under masks, found by the flat key of a packet.

A key is one integer (`dpif.odp.kernel.swkey`), so a mask applies in one ``&`` and each mask has one dictionary from
masked keys to flows. A lookup tries the masks one after the other; the first flow that it meets wins. Where
flows overlap that order is nobody's promise, as in the kernel.

A flow has an identity besides what it matches: a UFID, or else the unmasked key that it was made with. Which
finds which is the kernel's (net/openvswitch/flow_table.c):

* `lookup` and `find` find any flow that matches a key;
* `find_exact` finds key-identified flows by their unmasked key, and never one with a UFID;
* `find_ufid` finds flows by their UFID.

This file knows neither packets nor actions; a flow carries its actions for whoever put them there.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import Generic, TypeVar

P = TypeVar("P")


class Flow(Generic[P]):
    """What to match, what to do, and how often it was done.

    ``key`` is the unmasked key that the flow was made with, ``value`` the masked one; ``ufid`` is None for a
    key-identified flow. ``used`` is the clock's reading, in seconds, when the last packet matched; None: never.
    ``in_table`` says that it is in a table, so that one that somebody remembers still holds.
    ``note`` is for whoever describes flows to others and would rather not work out the same again.
    """

    __slots__ = (
        "bytes",
        "in_table",
        "key",
        "mask",
        "note",
        "packets",
        "program",
        "tcp_flags",
        "ufid",
        "used",
        "value",
    )

    def __init__(self, key: int, mask: int, ufid: bytes | None, program: P) -> None:
        self.key = key
        self.mask = mask
        self.value = key & mask
        self.ufid = ufid
        self.program = program
        self.in_table = False
        self.note: object = None
        self.clear()

    def clear(self) -> None:
        """Forget what was counted."""
        self.packets = 0
        self.bytes = 0
        self.tcp_flags = 0
        self.used: float | None = None

    def count(self, size: int, tcp_flags: int, now: float) -> None:
        """Count a packet of so many bytes that matched (ovs_flow_stats_update)."""
        self.packets += 1
        self.bytes += size
        self.tcp_flags |= tcp_flags
        self.used = now

    def is_for(self, key: int) -> bool:
        """Tell whether unmasked key `key` names this very flow (ovs_flow_cmp).

        A flow with a UFID does not remember its unmasked key: `key` must have no bits outside of its mask.
        """
        return key == (self.key if self.ufid is None else self.value)


class FlowTable(Generic[P]):
    """Flows of one datapath."""

    def __init__(self) -> None:
        self._subtables: list[tuple[int, dict[int, Flow[P]]]] = []
        self._by_mask: dict[int, dict[int, Flow[P]]] = {}
        self._by_ufid: dict[bytes, Flow[P]] = {}
        self._count = 0
        self.n_mask_hit = 0
        """Masks that `lookup` tried, altogether."""

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Flow[P]]:
        """Iterate over the flows, mask by mask; the table may change meanwhile.

        Of each mask these are the flows that it has when its turn comes, so that nobody waits for those of all.
        """
        for _, flows in tuple(self._subtables):
            yield from tuple(flows.values())

    @property
    def n_masks(self) -> int:
        """Different masks in use."""
        return len(self._subtables)

    def has_mask(self, mask: int) -> bool:
        """Tell whether a flow has this mask."""
        return mask in self._by_mask

    def lookup(self, key: int) -> Flow[P] | None:
        """Return the flow that a packet with `key` matches, and count the masks tried."""
        tried = 0
        for mask, flows in self._subtables:
            tried += 1
            flow = flows.get(key & mask)
            if flow is not None:
                self.n_mask_hit += tried
                return flow
        self.n_mask_hit += tried
        return None

    def find(self, key: int) -> Flow[P] | None:
        """Return a flow that matches `key`, without counting."""
        return next((flows[key & mask] for mask, flows in self._subtables if key & mask in flows), None)

    def find_exact(self, key: int) -> Flow[P] | None:
        """Return the key-identified flow that was made with the unmasked key `key`."""
        for mask, flows in self._subtables:
            flow = flows.get(key & mask)
            if flow is not None and flow.ufid is None and flow.key == key:
                return flow
        return None

    def find_ufid(self, ufid: bytes) -> Flow[P] | None:
        """Return the flow with identifier `ufid`."""
        return self._by_ufid.get(ufid)

    def insert(self, flow: Flow[P]) -> None:
        """Add a flow. The caller has seen that none matches ``flow.key`` or has its UFID."""
        flows = self._by_mask.get(flow.mask)
        if flows is None:
            flows = self._by_mask[flow.mask] = {}
            self._subtables.append((flow.mask, flows))
        flows[flow.value] = flow
        flow.in_table = True
        self._count += 1
        if flow.ufid is not None:
            self._by_ufid[flow.ufid] = flow

    def remove(self, flow: Flow[P]) -> None:
        """Take a flow out; the last mask takes the place of one that nobody needs any more."""
        flows = self._by_mask[flow.mask]
        del flows[flow.value]
        flow.in_table = False
        self._count -= 1
        if flow.ufid is not None:
            del self._by_ufid[flow.ufid]
        if not flows:
            del self._by_mask[flow.mask]
            index = self._subtables.index((flow.mask, flows))
            self._subtables[index] = self._subtables[-1]
            self._subtables.pop()

    def flush(self) -> None:
        """Take all flows out."""
        for _, flows in self._subtables:
            for flow in flows.values():
                flow.in_table = False
        self._subtables = []
        self._by_mask = {}
        self._by_ufid = {}
        self._count = 0
