"""``dpif play``: hosts, a datapath and a prompt to play with, for a program that is started anew when it is saved.

`play` is the whole of it. `sandbox` enters namespaces of our own, in which everybody is root and nothing of the host
is touched; `room` has in them what one plays with: hosts, each at a port of a datapath in user space that is served
to other processes; `program` runs the user's program, a process of its own (`runner`), and looks after its file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dpif._typing import TYPE_CHECKING
from dpif.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["play"]


def play(
    program: Path | None, command: Sequence[str], *, hosts: int = 3, note: Callable[[str], None] = lambda text: None
) -> int:
    """Run a program on a datapath with `hosts` hosts, or the learning switch in its place; return an exit status.

    `command` is run in the room, or a shell without one, and its status returned; `note` is told what there is to
    know. Enters namespaces, so that this process is of little use for anything else. Raises `Unavailable` where it
    may not, and without that file.
    """
    from dpif.play import sandbox
    from dpif.play.program import Program
    from dpif.play.room import Room

    if program is not None and not program.is_file():
        raise Unavailable(f"there is no file {program} to play")
    with sandbox.entered(), Room(hosts) as room, Program(program, room, note) as running:
        room.await_listener(running.has_failed)
        if not command:
            note(room.describe(running.name))
        return room.run(command)
