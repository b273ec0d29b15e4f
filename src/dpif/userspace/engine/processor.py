"""In what order packets are worked off, and how deep they may loop: what the kernel keeps for each CPU.

There is one processor. A packet is carried through all that happens to it before the next one starts: a packet
that a device hands over meanwhile (a program answering at once, two datapaths wired together) waits its turn.

``recirc`` sends a packet back to the flow table, ``clone`` and its like do actions on a copy. The kernel does that at
once up to a depth, puts off what is deeper until the packet in hand is done, and drops what there is no room for; so
a recirculation loop ends. The limits and the order are those of net/openvswitch/actions.c.

Below that depth a packet that is recirculated many times at each of several ids still multiplies, and keeps a kernel
busy for as long. Here what one packet brings about is bounded as a whole (`Limits.actions`).
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Sequence
from errno import EINVAL, ENETDOWN

from dpif._typing import TYPE_CHECKING, Final, TypeAlias
from dpif.errors import DecodeError
from dpif.userspace.engine.batch import receive_many
from dpif.userspace.engine.frame import Frame

if TYPE_CHECKING:
    from dpif.userspace.engine.datapath import Datapath
    from dpif.userspace.engine.port import Port

OVS_RECURSION_LIMIT: Final = 5
OVS_DEFERRED_ACTION_THRESHOLD: Final = OVS_RECURSION_LIMIT - 2
DEFERRED_ACTIONS: Final = 9
"""How often something may be put off for one packet (DEFERRED_ACTION_FIFO_SIZE, whose last place is not used)."""

Step: TypeAlias = Callable[[Frame], "bool | None"]
"""One action, ready to be carried out. True says that the actions behind it are not to be."""


class ActionError(Exception):
    """An action could not be carried out, so that the packet goes no further; ``errno`` is the kernel's."""

    def __init__(self, errno: int) -> None:
        self.errno = errno
        super().__init__(errno)


class Processor:
    """Works off packets, one after the other, each with no more than `most_actions`."""

    def __init__(self, most_actions: int) -> None:
        self._most_actions = most_actions
        self._actions_done = 0
        self._is_lost = False
        self._waiting: deque[tuple[Port, bytes, int]] = deque()
        self._is_busy = False
        self._level = 0
        self._deferred: list[tuple[Datapath, Callable[[], object]]] = []

    def receive(self, port: Port, packet: bytes, tunnel: int = 0) -> None:
        """Carry a packet that came in through `port`, with a tunnel key: now, or when what is in hand is done."""
        if self._is_busy:
            self._waiting.append((port, packet, tunnel))
            return
        self._is_busy = True
        try:
            port.datapath.receive(port, packet, tunnel)
        finally:
            self._is_busy = False
            if self._waiting:
                self._work_off_waiting()

    def receive_many(self, port: Port, packets: Sequence[bytes], until: float = math.inf) -> Sequence[bytes]:
        """Carry packets that came in through `port`, as `receive` does; what they bring about waits for the last.

        Return those that are left when the clock is at `until`.
        """
        left: list[bytes] = []
        if self._is_busy:
            self._waiting.extend((port, packet, 0) for packet in packets)
        else:
            self.call(lambda: left.extend(receive_many(port, packets, until)))
        return left

    def call(self, function: Callable[[], None]) -> None:
        """Call `function`, which handles a packet; what devices hand over meanwhile waits until it is done."""
        if self._is_busy:  # a program that is given a packet asks for another to be sent
            function()
            return
        self._is_busy = True
        try:
            function()
        finally:
            self._work_off_waiting()

    def _work_off_waiting(self) -> None:
        self._is_busy = True
        try:
            while self._waiting:
                port, packet, tunnel = self._waiting.popleft()
                if port.device.port is port:  # it is still there
                    port.datapath.receive(port, packet, tunnel)
        finally:
            self._is_busy = False

    def execute(self, steps: Sequence[Step], frame: Frame) -> None:
        """Carry out a flow's actions (ovs_execute_actions); raise `ActionError`."""
        self._level += 1
        try:
            if self._level > OVS_RECURSION_LIMIT:
                raise ActionError(ENETDOWN)
            self.run(steps, frame)
        finally:
            if self._level == 1:
                if self._deferred:
                    self._work_off_deferred()
                self._actions_done = 0
                self._is_lost = False
            self._level -= 1

    def recirculate(self, datapath: Datapath, frame: Frame) -> None:
        """Look a packet up again: now, too deep later, too often not at all.

        Where the packet has had all its actions this list ends, and so do those around it at their next ``recirc``.
        """
        if self._is_spent(datapath):
            raise ActionError(ENETDOWN)
        if self._level <= OVS_DEFERRED_ACTION_THRESHOLD:
            datapath.process(frame)
        else:
            self._defer(datapath, lambda: datapath.process(frame))

    def branch(self, steps: Sequence[Step], frame: Frame) -> None:
        """Carry out actions on a copy of a packet: now, too deep later, too often not at all (clone_execute)."""
        if self._level <= OVS_DEFERRED_ACTION_THRESHOLD:
            self._level += 1
            try:
                self.run(steps, frame)
            finally:
                self._level -= 1
        else:
            self._defer(frame.port.datapath, lambda: self.run(steps, frame))

    def run(self, steps: Sequence[Step], frame: Frame) -> None:
        """Carry out actions, those of a flow or those within another action; raise `ActionError`."""
        self._actions_done += len(steps)
        try:
            for step in steps:
                if step(frame):
                    return
        except DecodeError:  # the packet is too short for a change, or has no such header
            raise ActionError(EINVAL) from None

    def _is_spent(self, datapath: Datapath) -> bool:
        """Tell whether the packet in hand has had all its actions; then it counts as lost, once."""
        if self._actions_done <= self._most_actions:
            return False
        if not self._is_lost:
            self._is_lost = True
            datapath.n_lost += 1
        return True

    def _defer(self, datapath: Datapath, work: Callable[[], object]) -> None:
        if len(self._deferred) < DEFERRED_ACTIONS:
            self._deferred.append((datapath, work))

    def _work_off_deferred(self) -> None:
        for datapath, work in self._deferred:  # which grows meanwhile
            if self._is_spent(datapath):
                break
            with contextlib.suppress(ActionError):
                work()
        self._deferred.clear()
