"""Waiting for devices (`Loop`): which of them have packets, and whose turn it is.

Devices in memory need no waiting, their packets are dealt with as they are sent. A loop is for those whose
packets come from elsewhere: Linux devices, captures. Others who have descriptors to wait for, as a server has,
use the same loop.

Nobody ends the loop by a fault, or holds up the others: a turn has a budget, whoever has more to do than that asks
for another one (`Loop.again`), and `Loop.stop` is heeded between any two turns.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator

from dpif._typing import Final, TypeAlias
from dpif.userspace.engine.device import Device
from dpif.userspace.engine.namespace import Namespace

BUDGET: Final = 256
"""Packets that a device may hand over before it is the next one's turn."""
MAX_FAULTS: Final = 16
"""Turns in a row that may fail for a device before it is taken away."""

Callback: TypeAlias = Callable[[int], None]
"""Is told the events (``selectors.EVENT_*``) that are there."""


def report(whose: str, error: Exception) -> None:
    """Log, in one line, a fault that is nobody's answer: an error of this program, or of the system underneath."""
    with contextlib.suppress(Exception):  # not even memory may be left
        import logging

        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        code = "?" if trace is None else os.path.basename(trace.tb_frame.f_code.co_filename)
        line = 0 if trace is None else trace.tb_lineno
        logging.getLogger("dpif.userspace").error("%s: %r (%s:%d)", whose, error, code, line)


class Loop:
    """Waits for the devices of a namespace, and for other descriptors.

    One thread at a time may use it, except for `wake` and `stop`. ``before_wait`` is called before each wait;
    ``is_stopping`` is set by `stop`. What `watch` and `again` are given must not raise.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._selector = selectors.DefaultSelector()
        self._devices: dict[int, Device] = {}  # by descriptor
        self._devices_changed = True
        self._bell, self._bell_rope = socket.socketpair()
        self._bell.setblocking(False)
        self._bell_rope.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ, self._silence)
        self.before_wait: Callable[[], None] = lambda: None
        self.is_stopping = False
        self._again: deque[Callable[[], None]] = deque()
        self._faults: dict[Device, int] = {}  # in a row
        namespace.on_devices_changed = self._note_devices_changed
        namespace.on_listeners_changed = self.wake

    def _note_devices_changed(self) -> None:
        self._devices_changed = True
        self.wake()

    def wake(self) -> None:
        """End the present wait, or the next one at once."""
        with contextlib.suppress(OSError):  # it has been rung often enough, or nobody waits any more
            self._bell_rope.send(b"\0")

    @contextlib.contextmanager
    def woken_by_signals(self) -> Iterator[None]:
        """End the present wait, or the next one at once, when a signal comes that has a handler: in the main thread.

        The handler alone does not do: it runs behind the wait when the signal came just before that.
        """
        before = signal.set_wakeup_fd(self._bell_rope.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def stop(self) -> None:
        """Let whoever runs the loop end; may be called from a signal handler or another thread."""
        self.is_stopping = True
        self.wake()

    def again(self, turn: Callable[[], None]) -> None:
        """Call `turn` in the next round, which then waits for nothing: there is more to do than a turn is long."""
        self._again.append(turn)

    def _silence(self, events: int) -> None:
        self._bell.recv(4096)

    def watch(self, fileno: int, events: int, callback: Callback) -> None:
        """Call `callback` when any of `events` is there at a descriptor; a second call changes what was said."""
        if fileno in self._selector.get_map():
            self._selector.modify(fileno, events, callback)
        else:
            self._selector.register(fileno, events, callback)

    def unwatch(self, fileno: int) -> None:
        """Forget a descriptor, before it is closed."""
        self._selector.unregister(fileno)

    def run_once(self, timeout: float | None = None) -> int:
        """Wait up to `timeout` seconds (None: for ever), deal with what is there; return the packets received."""
        with self._namespace.lock:
            self._update_devices()
            waits = [wait for device in self._namespace.devices.values() if (wait := device.patience) is not None]
        if timeout is not None:
            waits.append(timeout)
        self.before_wait()
        seen = self._selector.select(0 if self._again else min(waits, default=None))
        turns = len(self._again)  # what they ask for again is for the next round
        ready: dict[Device, None] = {}
        for key, events in seen:
            device = self._devices.get(key.fd)
            if device is not None:
                ready[device] = None
            elif not self.is_stopping:
                key.data(events)
        for _ in range(turns):
            if not self.is_stopping:
                self._again.popleft()()
        return self._poll(ready)

    def _poll(self, ready: dict[Device, None]) -> int:
        """Let devices hand over packets; with the lock let go in between, for those who have requests."""
        with self._namespace.lock:
            ready.update((device, None) for device in self._namespace.devices.values() if device.wants_turn)
        count = 0
        for device in ready:
            with self._namespace.lock:
                if self._namespace.devices.get(device.name) is device and not self.is_stopping:
                    count += self._poll_one(device)
        return count

    def _poll_one(self, device: Device) -> int:
        """Let a device hand over packets; one that fails time and again is taken away."""
        try:
            count = device.take_turn(BUDGET)
        except Exception as error:
            faults = self._faults[device] = self._faults.get(device, 0) + 1
            if faults == 1:
                report(f"device {device.name}", error)
            if faults >= MAX_FAULTS:
                del self._faults[device]
                device.close()
            return 0
        if self._faults:
            self._faults.pop(device, None)
        return count

    def _update_devices(self) -> None:
        """Bring the descriptors of devices in line with the namespace's devices."""
        if not self._devices_changed:
            return
        self._devices_changed = False
        present = set(self._namespace.devices.values())
        self._faults = {device: faults for device, faults in self._faults.items() if device in present}
        wanted = {fileno: device for device in self._namespace.devices.values() for fileno in device.filenos()}
        for fileno, device in tuple(self._devices.items()):
            if wanted.get(fileno) is not device:
                del self._devices[fileno]
                self._selector.unregister(fileno)
        for fileno, device in wanted.items():
            if fileno not in self._devices:
                self._devices[fileno] = device
                self._selector.register(fileno, selectors.EVENT_READ)

    def close(self) -> None:
        """Close what the loop has opened."""
        self._namespace.on_devices_changed = self._namespace.on_listeners_changed = lambda: None
        self._selector.close()
        self._bell.close()
        self._bell_rope.close()
