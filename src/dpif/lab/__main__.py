"""``python -m dpif.lab [OPTIONS] [-- COMMAND...]``: the lab from a command line.

Owns the options and the exit statuses that are the lab's own: 124 when the time is over, 125 when the lab
could not run the command to its end. `add_arguments` and `execute` are for a command line that has this as
one of its commands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dpif.errors import ParseError
from dpif.lab import LabFailed, LabTimeout, LabUnavailable, packages, run
from dpif.lab.kernels import NAMES

__all__ = ["add_arguments", "execute", "main"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the lab's options, and the command, to `parser`."""
    parser.add_argument("--timeout", type=float, metavar="SECS", help="end the lab after so many seconds")
    parser.add_argument("--mem", default="2G", metavar="SIZE", help="memory of its kernel (default: 2G)")
    parser.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="NAME",
        help="a kernel module to load, besides openvswitch and veth (may be repeated)",
    )
    parser.add_argument("--kernel", choices=NAMES, metavar="NAME", help=f"its kernel: {', '.join(NAMES)}")
    parser.add_argument(
        "--qemu",
        action=argparse.BooleanOptionalAction,
        help="emulate a machine: slow, but with several CPUs (--no-qemu: not even to stand in)",
    )
    parser.add_argument("--cpus", type=int, metavar="N", help="CPUs of that machine (default: 2)")
    parser.add_argument("--verbose", action="store_true", help="say what boots, and how")
    parser.add_argument("--packages", action="store_true", help="only print the Debian packages that it takes here")
    parser.add_argument("command", nargs="*", metavar="COMMAND", help="what to run (default: a shell)")


def execute(arguments: argparse.Namespace) -> int:
    """Run the lab as `arguments` say; return the exit status, having explained a failure on stderr."""
    try:
        if arguments.packages:
            print(*packages(arguments.kernel, arguments.qemu))
            return 0
        return run(
            arguments.command,
            timeout=arguments.timeout,
            memory=arguments.mem,
            modules=arguments.module,
            kernel=arguments.kernel,
            qemu=arguments.qemu,
            cpus=arguments.cpus,
            tell=lambda line: print(f"dpif lab: {line}", file=sys.stderr),
            verbose=arguments.verbose,
        )
    except (LabUnavailable, LabFailed, LabTimeout) as error:
        print(f"dpif lab: {error}", file=sys.stderr)
        return error.exit_status
    except ParseError as error:
        print(f"dpif lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def main(argv: Sequence[str] | None = None) -> int:
    """Parse `argv` and run the lab."""
    parser = argparse.ArgumentParser(
        prog="dpif lab",
        description="Run a command on a real Linux kernel with openvswitch.",
        epilog="example: dpif lab --timeout 60 -- ovs-dpctl show",
    )
    add_arguments(parser)
    return execute(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
