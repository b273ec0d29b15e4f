"""The client's end of a Unix socket: where it is, and what is said when nobody is there.

What passes over it is tested with its server, in tests/unit/userspace.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dpif.errors import Unavailable
from dpif.netlink import unix
from dpif.netlink.unix import (
    PROTOCOL_VERSION,
    FrameKind,
    UnixTransport,
    default_socket_path,
    pack_frame,
    require_private,
    socket_address,
    unpack_frame,
)

Impostor = Callable[[bytes], str]


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[Impostor]:
    """Make a listener that greets one client with given bytes, and says nothing more; it returns its path."""
    path = str(tmp_path / "socket")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threads: list[threading.Thread] = []

    def start(greeting: bytes) -> str:
        with socket_address(path) as address:
            listener.bind(address)
        listener.listen()

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                if greeting:
                    connection.send(greeting)

        threads.append(threading.Thread(target=greet))
        threads[0].start()
        return path

    yield start
    listener.close()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("numbers", [(), (7,), (7, 0xFFFFFFFF)])
def test_frames_say_what_they_are(numbers: tuple[int, ...]) -> None:
    assert unpack_frame(pack_frame(FrameKind.JOIN, *numbers)) == (FrameKind.JOIN, numbers)


@pytest.mark.parametrize("frame", [b"", b"abc", b"abcde", bytes(4) + b"data", b"\1\0\0\0\2"])
def test_any_frame_is_something(frame: bytes) -> None:
    assert unpack_frame(frame)[1] == ()


def test_the_environment_says_where_the_socket_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPIF_SOCKET", "/somewhere/else")
    monkeypatch.setenv("XDG_RUNTIME_DIR", tempfile.gettempdir())
    assert default_socket_path() == "/somewhere/else"


def test_else_it_is_in_the_run_time_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DPIF_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert default_socket_path() == f"{tmp_path}/dpif.sock"


def test_else_among_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DPIF_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert default_socket_path() == f"{tmp_path}/dpif-{os.getuid()}/dpif.sock"


def test_nobody_there_says_how_to_get_somebody(tmp_path: Path) -> None:
    path = str(tmp_path / "no.sock")
    with pytest.raises(Unavailable) as caught:
        UnixTransport(path)
    assert str(caught.value) == f"no userspace datapath is served at {path}; start one with: dpif serve"
    assert caught.value.errno == errno.ENOENT


def test_a_socket_left_behind_is_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "old.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as old, socket_address(path) as address:
        old.bind(address)
    with pytest.raises(Unavailable, match="start one with"):
        UnixTransport(path)


def test_a_name_too_long_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="path too long"):
        UnixTransport(str(tmp_path / ("x" * 200)))


@pytest.mark.parametrize(
    "greeting",
    [b"", b"HTTP/1.1 400 Bad Request\r\n", pack_frame(FrameKind.HELLO, PROTOCOL_VERSION + 1, 5)],
)
def test_somebody_else_there_is_told(impostor: Impostor, greeting: bytes) -> None:
    with pytest.raises(Unavailable, match="is not a userspace datapath of this version"):
        UnixTransport(impostor(greeting))


def test_a_server_that_goes_is_told(impostor: Impostor) -> None:
    transport = UnixTransport(impostor(pack_frame(FrameKind.HELLO, PROTOCOL_VERSION, 5)))
    assert transport.port_id == 5
    with pytest.raises(Unavailable, match="has gone away") as caught:
        transport.recv(10)
    assert caught.value.errno == errno.ECONNRESET
    with pytest.raises(Unavailable, match="has gone away"):
        transport.send(b"request")
    transport.close()


def test_our_directory_must_be_ours_alone(tmp_path: Path) -> None:
    private = tmp_path / "private"
    require_private(str(private))  # not there is not anybody else's
    private.mkdir(mode=0o700)
    require_private(str(private))
    private.chmod(0o750)
    with pytest.raises(Unavailable, match="of this user alone"):
        require_private(str(private))
    link = tmp_path / "link"
    private.chmod(0o700)
    link.symlink_to(private)
    with pytest.raises(Unavailable, match="of this user alone"):
        require_private(str(link))


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[str]:
    """The path of a socket whose server never answers; there is room for one client in its queue."""
    path = str(tmp_path / "hung")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(0)
        yield path


def test_who_waits_for_a_server_that_hangs_is_told_so(hung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix, "_SOON", 0.01)
    monkeypatch.setattr(unix, "_ANSWER_TIMEOUT", 0.01)
    told: list[str] = []
    with pytest.raises(Unavailable, match=f"{hung} does not answer; .*DPIF_SOCKET") as raised:
        UnixTransport(hung, waiting=told.append)
    assert (told, raised.value.errno) == ([hung], errno.ETIMEDOUT)


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux alone is it known how many clients wait unaccepted")
def test_a_server_with_too_many_who_wait_does_not_answer_either(hung: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first:
        first.connect(hung)
        with pytest.raises(Unavailable, match="does not answer"):
            UnixTransport(hung)


def test_nobody_is_told_of_one_that_answers(impostor: Impostor) -> None:
    told: list[str] = []
    path = impostor(pack_frame(FrameKind.HELLO, PROTOCOL_VERSION, 7))
    UnixTransport(path, waiting=told.append).close()
    assert not told


def test_an_ending_while_it_is_waited_for_closes_the_connection(hung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix, "_SOON", 0.01)

    def end(path: str) -> None:
        raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(KeyboardInterrupt):
            UnixTransport(hung, waiting=end)
