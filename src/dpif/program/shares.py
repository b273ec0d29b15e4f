"""Maglev hashing: whose each share of a whole is, so that few change hands when one of the owners comes or goes.

After D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4. Its
number of shares is a prime; here it is a power of two, whose bits a flow can match, and steps are odd instead.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator

from dpif._typing import TypeVar
from dpif.program.errors import ProgramError

__all__ = ["maglev"]

T = TypeVar("T")


def maglev(members: Iterable[T], shares: int = 256) -> tuple[T, ...]:
    """Return who of `members`, at least one, has each of so many shares, a power of two; their order does not matter.

    ``maglev(members, 256)[packet.dp_hash & 255]`` chooses one by a hash, see `select`. Members are told apart by
    their texts.
    """
    ordered = tuple(sorted(members, key=str))
    if not ordered or shares < 1 or shares & shares - 1:
        raise ProgramError(
            f"{shares} shares cannot be given to {len(ordered)} members: a power of two, and one or more"
        )
    return tuple([ordered[number] for number in _owners(tuple(map(str, ordered)), shares)])


@functools.lru_cache(maxsize=64)
def _owners(members: tuple[str, ...], shares: int) -> tuple[int, ...]:
    """Return the number of the member that has each share: they take turns, each with what it likes best."""
    turns = itertools.cycle([(number, _preferences(member, shares)) for number, member in enumerate(members)])
    owners: dict[int, int] = {}
    while len(owners) < shares:
        number, liked = next(turns)
        owners[next(share for share in liked if share not in owners)] = number
    return tuple([owners[share] for share in range(shares)])


def _preferences(member: str, shares: int) -> Iterator[int]:
    """Yield all shares, in an order of the member's own."""
    order = int.from_bytes(hashlib.blake2b(member.encode(), digest_size=16).digest(), "big")
    start, step = order >> 64, order | 1
    return ((start + turn * step) % shares for turn in range(shares))
