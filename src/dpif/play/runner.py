"""``python -m dpif.play.runner DATAPATH [FILE]``: the process in which `dpif.play` runs a program.

The file has a ``program`` (`dpif.program`), or a function ``main``, which is given the datapath, open, with a port
for each host and no flows. Without a file it is the learning switch.
"""

from __future__ import annotations

import ctypes
import runpy
import signal
import sys
import traceback
from pathlib import Path

from dpif._open import open as open_datapath
from dpif._typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from dpif.client import Datapath

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def main() -> None:
    """Run the program until it returns, or is told to end."""
    name, *file = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # with the room goes who plays in it
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with open_datapath(name) as datapath:
        datapath.flows.flush()  # of a program before this one
        if file:
            _run(Path(file[0]), datapath)
        else:
            _switch(datapath)


def _run(path: Path, datapath: Datapath) -> None:
    """Run the user's program; of an error in it he sees his own lines alone."""
    try:
        _main_of(path)(datapath)
    except Exception as error:
        place = error.__traceback__
        while place is not None and place.tb_frame.f_code.co_filename != str(path):
            place = place.tb_next
        traceback.print_exception(error.with_traceback(place))
        sys.exit(1)


def _main_of(path: Path) -> Callable[[Datapath], object]:
    sys.path.insert(0, str(path.parent))  # for what lies beside it
    found = runpy.run_path(str(path))
    program = found.get("program")
    function = found.get("main") or getattr(program, "run", None)
    if not callable(function):
        sys.exit(f"dpif: {path.name} has no program, nor a function main(dp) to call with the datapath")
    main: Callable[[Datapath], object] = function
    return main


def _switch(datapath: Datapath) -> None:
    from dpif.apps.switch import Switch

    with Switch(datapath) as switch:
        switch.run()


if __name__ == "__main__":
    main()
