"""``dpif demo``: the learning switch at work, first on recorded packets, then on a real kernel.

`run` is the whole of it. `recorded` plays a capture through a userspace datapath in this process; `kernel` boots
the lab, in which `guest` runs. What is shown is text for whoever sees dpif for the first time; every number in it
is counted, and the demonstration fails when they do not add up.

It stands above the applications, since it opens datapaths and boots kernels, which these do not; the command line
only prints its lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["run"]


def run(out: Callable[[str], None] = print, *, kernel: bool | None = None) -> int:
    """Run the demonstration, a line at a time to `out`; return 0, or 1 when something was not as it should be.

    With `kernel` None the second part is left out where no kernel can be booted, but not where ``CI=true`` says that
    nothing may be left out; True insists on it, and False leaves it out. Raises `Unavailable` when the capture cannot
    be read.
    """
    from dpif.demo.kernel import play_kernel
    from dpif.demo.recorded import play_recorded

    good = play_recorded(out)
    if kernel is not False:
        out("")
        good &= play_kernel(out, required=bool(kernel) or os.environ.get("CI") == "true")
    return 0 if good else 1
