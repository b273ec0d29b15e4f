"""The flows that the benchmarks use: workloads, drawn from a seed, each flow with every value new.

A workload is a list of *forms*: texts of flows as people have them, each with how often it comes up among so many.
`flows` fills them in with drawn values (`template.py`), in an order that mixes them as a hash table does. What is
the same among the flows of a form is what says what they are: protocols, flags, masks, lengths. So nothing that a
program remembers by its bytes or its text (an address, a list of actions, a tunnel) is there a second time, but for
what people's flows have in common, too: a mask, a port of the protocol (``tp_dst=6081``).

* ``plain``: ten simple kinds, of which two in ten have a nest (`plain.py`)
* ``ovn``: the nodes of OVN, with Geneve options in keys and actions, and connection tracking (`ovn.py`)
* ``openstack``: the nodes of OpenStack with VLANs, VXLAN and conjunctions (`openstack.py`)
* ``dumps``: the dumps of ``tests/golden/dumps``, which people published, scaled up (`dumps.py`)
* ``random``: whatever the kernel takes (`random_forms.py`)

A `Flow` gives itself as a line of text, as the request of a put, and as the message by which the kernel lists it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from importlib import import_module
from random import Random

from dpif._typing import NamedTuple
from dpif.odp.kernel.rules import NEWEST, Features
from workloads.complete import complete
from workloads.flow import DATAPATH, Flow
from workloads.replay import FAMILY, Replay
from workloads.template import Template

__all__ = ["DATAPATH", "FAMILY", "WORKLOADS", "Flow", "Form", "Replay", "Template", "fill", "flows", "forms"]

WORKLOADS = ("plain", "ovn", "openstack", "dumps", "random")
_MODULES = {"random": "random_forms"}


class Form(NamedTuple):
    """What flows have in common: the texts of match and actions, as a dump shows them, and how often it comes up.

    Of `fixed` are values that stay, such as ``"ttl=64"``. Flows have identifiers, as those of ovs-vswitchd, or not.
    """

    share: int
    match: str
    actions: str
    fixed: frozenset[str] = frozenset()
    with_ufid: bool = True


def forms(name: str, seed: int = 1, rules: Features = NEWEST) -> list[Form]:
    """Return the forms of a workload that a kernel takes; the lab's, for one, has no zones of conntrack."""
    return list(_forms(name, seed, rules))


@functools.lru_cache(16)
def _forms(name: str, seed: int, rules: Features) -> tuple[Form, ...]:
    module = import_module(f"workloads.{_MODULES.get(name, name)}")
    return tuple(module.forms(seed, rules))


def flows(name: str, count: int, seed: int = 1, rules: Features = NEWEST) -> list[Flow]:
    """Return so many flows of a workload, no two of which match the same."""
    return list(itertools.islice(fill(forms(name, seed, rules), seed), count))


def fill(given: Iterable[Form], seed: int = 1) -> Iterator[Flow]:
    """Yield flows of forms without an end, in a mixed order."""
    random = Random(seed)
    found = [(form.share, _Filler(form)) for form in given]
    order = [filler for share, filler in found for _ in range(share)]
    random.shuffle(order)
    seen: set[str] = set()
    for filler in itertools.cycle(order):
        flow = filler.flow(random)
        while flow.match in seen:
            flow = filler.flow(random)
        seen.add(flow.match)
        yield flow


class _Filler:
    """Makes the flows of a form."""

    def __init__(self, form: Form) -> None:
        self._match = Template(complete(form.match), form.fixed)
        self._shown = Template(form.match, form.fixed)
        self._actions = Template(form.actions, form.fixed)
        self._with_ufid = form.with_ufid

    def flow(self, random: Random) -> Flow:
        """Return a flow; two of three have seen packets."""
        values = self._match.draw(random)
        flow = Flow(
            self._match.fill(values),
            self._shown.fill(values),
            self._actions.fill(self._actions.draw(random)),
            random.randbytes(16) if self._with_ufid else None,
        )
        if random.random() < 1 / 3:
            return flow
        packets = int(2 ** (32 * random.random()))
        return flow._replace(
            packets=packets,
            bytes=packets * int(60 + 1440 * random.random()),
            used=random.getrandbits(30) + 1,
            tcp_flags=random.getrandbits(6) if "tcp" in flow.match else 0,
        )
