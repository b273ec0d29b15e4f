"""Processes made by fork, for tests of what handlers do in several of them (`forked`)."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def forked(work: Callable[[], object]) -> Iterator[int]:
    """Run `work` in a child process, which is killed in the end; yield its process id.

    What the child raises is printed by it, and an `AssertionError` here.
    """
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL), "the child failed, see what it printed"
