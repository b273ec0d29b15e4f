"""Tables of networks: the longest prefix that an address is in.

A lookup reads as many bits of the address as tell that no longer prefix has it, and no more. What hangs on it is the
*region* of all addresses with these bits: a change of a prefix concerns the regions inside it and the one around it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from dpif._typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar
from dpif.program.tables import Entry, Site, Table, plain
from dpif.program.values import Address

if TYPE_CHECKING:
    from dpif.program.flow import Megaflow

__all__ = ["LpmTable", "Network", "Region"]

V = TypeVar("V")
Network: TypeAlias = "IPv4Network | IPv6Network"
WIDTHS = {4: 32, 6: 128}


class Region(NamedTuple):
    """All addresses of a version that have the first `length` bits of `prefix`."""

    version: int
    length: int
    prefix: int


class _Node:
    """A node of the tree of prefixes: the entry that ends here, and what follows by the next bit."""

    __slots__ = ("below", "entry")

    def __init__(self) -> None:
        self.entry: Entry[Any] | None = None
        self.below: list[_Node | None] = [None, None]

    @property
    def is_leaf(self) -> bool:
        return self.below[0] is None and self.below[1] is None


class LpmTable(Table[Any, V]):
    """A table whose keys are networks, as values of `ipaddress` or texts; see the module. Made by `Program.lpm`."""

    def __init__(self, site: Site, name: str, *, limit: int = 1_000_000) -> None:
        super().__init__(site, name, limit=limit)
        self._roots = {version: _Node() for version in WIDTHS}
        self._regions = {version: _Regions(width) for version, width in WIDTHS.items()}

    def lookup(self, address: Any, default: Any = None) -> Any:
        """Return the value of the longest prefix that has `address`, `default` where none has."""
        with self._site.lock:
            version, number = _number(address)
            width = WIDTHS[version]
            found, depth = self._walk(version, number, width)
            prefix = (
                address.prefix(depth) if isinstance(address, Address) else number >> width - depth << width - depth
            )
            if self._site.trace is not None:
                self._site.trace.depend(self, Region(version, depth, prefix))
            return default if found is None else found.value

    def _walk(self, version: int, number: int, width: int) -> tuple[Entry[V] | None, int]:
        """Return the longest prefix's entry, and how many bits tell that there is no longer one."""
        node = self._roots[version]
        found = node.entry
        depth = 0
        while not node.is_leaf:
            following = node.below[number >> width - depth - 1 & 1]
            depth += 1
            if following is None:
                break
            node = following
            found = node.entry or found
        return found, depth

    def _put(self, key: Any, value: V) -> bool:
        network = _network(key)
        if not super()._put(network, value):
            return False
        node = self._roots[network.version]
        for bit in _bits(network):
            following = node.below[bit]
            if following is None:
                following = node.below[bit] = _Node()
            node = following
        node.entry = self._entries[network]
        return True

    def _remove(self, key: Any) -> bool:
        network = _network(key)
        if not super()._remove(network):
            return False
        path = [self._roots[network.version]]
        bits = list(_bits(network))
        for bit in bits:
            following = path[-1].below[bit]
            assert following is not None
            path.append(following)
        path[-1].entry = None
        while len(path) > 1 and path[-1].entry is None and path[-1].is_leaf:
            path.pop()
            path[-1].below[bits[len(path) - 1]] = None
        return True

    def adopt(self, other: Table[Any, Any] | None) -> None:
        """Take the networks of another table, in place of its own."""
        super().adopt(other)
        if isinstance(other, LpmTable):
            self._roots = other._roots

    def look(self, key: Any) -> Entry[V] | None:
        """Return the entry of a network itself, and note that it was read."""
        return super().look(_network(key))

    def _learn(self, trace: Any, key: Any, value: Any) -> None:
        super()._learn(trace, _network(key), value)

    def discard(self, key: Any) -> bool:
        """Remove a network; return whether it was there."""
        return super().discard(_network(plain(key)))

    def _changed(self, key: Any) -> None:
        super()._changed(key)
        for region in self._regions[key.version].touching(int(key.network_address), key.prefixlen):
            self._site.mark_stale(self.dependents(region))

    def attach(self, key: Any, flow: Megaflow) -> None:
        """Note that a flow hangs on a region, or on an entry."""
        if isinstance(key, Region) and key not in self._dependents:
            self._regions[key.version].add(key)
        super().attach(key, flow)

    def detach(self, key: Any, flow: Megaflow) -> None:
        """Note that a flow does not hang on it any more."""
        super().detach(key, flow)
        if isinstance(key, Region) and key not in self._dependents:
            self._regions[key.version].discard(key)


class _Regions:
    """The regions of one version, in order for each length, so that those inside a prefix are found at once."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._prefixes: dict[int, list[int]] = {}
        self._version = 4 if width == WIDTHS[4] else 6

    def add(self, region: Region) -> None:
        bisect.insort(self._prefixes.setdefault(region.length, []), region.prefix)

    def discard(self, region: Region) -> None:
        prefixes = self._prefixes.get(region.length, [])
        at = bisect.bisect_left(prefixes, region.prefix)
        if at < len(prefixes) and prefixes[at] == region.prefix:
            del prefixes[at]
            if not prefixes:
                del self._prefixes[region.length]

    def touching(self, prefix: int, length: int) -> Iterator[Region]:
        """Iterate over the regions that have an address of a prefix."""
        end = prefix + (1 << self._width - length)
        for other, prefixes in self._prefixes.items():
            start = prefix >> self._width - other << self._width - other
            at = bisect.bisect_left(prefixes, start)
            while at < len(prefixes) and prefixes[at] < end:
                yield Region(self._version, other, prefixes[at])
                at += 1


def _network(key: Any) -> Any:
    return key if isinstance(key, (IPv4Network, IPv6Network)) else ip_network(key)


def _bits(network: Any) -> Iterator[int]:
    width = network.max_prefixlen
    number = int(network.network_address)
    for depth in range(network.prefixlen):
        yield number >> width - depth - 1 & 1


def _number(address: Any) -> tuple[int, int]:
    """Return version and number of an address, without reading it where it is a packet's."""
    if isinstance(address, Address):
        return address.version, address._peek()
    found = ip_address(address)
    return found.version, int(found)
