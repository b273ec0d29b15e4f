"""Draw the README's picture: the first commands of a newcomer, run on a terminal (``make picture``).

``--check`` tells whether it still shows what they print.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from terminal import plain, run, shown, svg

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "first-look.svg"
_BEFORE = """\
dpif serve --detach
dpif add-dp netdev@br0 web,type=dummy client,type=dummy
dpif add-flow netdev@br0 "in_port(client),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(dst=80),tcp_flags(0/0)" \
    "ct(zone=1),recirc(1)"
dpif add-flow netdev@br0 "recirc_id(1),in_port(client),ct_state(+est-inv+trk),eth(),eth_type(0x0800),ipv4(frag=no)" \
    web
dpif add-flow netdev@br0 "recirc_id(1),in_port(client),ct_state(+new+trk),eth(),eth_type(0x0800),ipv4(frag=no)" \
    "ct(commit,zone=1),web"
"""
_SHOWN = ("dpif show netdev@br0", "dpif dump-flows --tree netdev@br0")


def picture() -> str:
    """Run the commands, and draw the terminal."""
    with tempfile.TemporaryDirectory() as directory:
        environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DPIF_SOCKET": f"{directory}/dpif.sock",
        }
        environ.pop("NO_COLOR", None)
        runs = [run(command, environ) for command in (f"set -e; {_BEFORE}", *_SHOWN, "dpif serve --stop")]
    for one in runs:
        if one.status:
            raise SystemExit(f"{one.command}: {plain(one.output)}")
    return svg(shown(runs[1:-1]), "A terminal: a datapath, its ports, and its flows as a tree")


def main() -> None:
    """Write the picture, or with ``--check`` compare it."""
    drawn = picture()
    if sys.argv[1:] == ["--check"]:
        if drawn != PICTURE.read_text():
            raise SystemExit(f"{PICTURE.name} shows what dpif no longer prints: 'make picture' draws it anew")
        return
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn)


if __name__ == "__main__":
    main()
