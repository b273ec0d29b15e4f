"""The place where a server listens: one server has it, what another left behind is taken over."""

from __future__ import annotations

import errno
import os
import resource
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpif.errors import Unavailable
from dpif.userspace import listening
from dpif.userspace.listening import Place

UNIX = (socket.AF_UNIX, socket.SOCK_SEQPACKET)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "dpif.sock")


def test_what_it_makes_goes_with_it(path: str) -> None:
    place = Place(path)
    assert sorted(os.listdir(os.path.dirname(path))) == ["dpif.sock", "dpif.sock.lock"]
    place.close()
    assert os.listdir(os.path.dirname(path)) == []


def test_a_server_that_does_not_listen_yet_is_not_pushed_aside(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one starts between the first one's bind and its listen."""
    real = listening._listen
    refused: list[Unavailable] = []

    def interrupted(at: str) -> socket.socket:
        monkeypatch.setattr(listening, "_listen", real)
        early = socket.socket(*UNIX)
        early.bind(at)
        with pytest.raises(Unavailable, match="a server listens there already") as caught:
            Place(at)
        refused.append(caught.value)
        assert os.path.exists(at)
        early.close()
        os.unlink(at)
        return real(at)

    monkeypatch.setattr(listening, "_listen", interrupted)
    Place(path).close()
    assert [error.errno for error in refused] == [errno.EADDRINUSE]


def test_a_lock_that_was_removed_while_it_was_waited_for_is_not_trusted(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real = fcntl.flock
    removed: list[int] = []

    def remove_first(file: int, operation: int) -> None:
        if not removed:
            os.unlink(f"{path}.lock")
            removed.append(file)
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    place = Place(path)
    with pytest.raises(Unavailable, match="already"):
        Place(path)
    place.close()


def test_a_full_line_of_a_server_that_stands_still_is_not_waited_for(path: str) -> None:
    with socket.socket(*UNIX) as stopped:
        stopped.bind(path)
        stopped.listen(0)
        with socket.socket(*UNIX) as waiting:
            waiting.connect(path)
            with pytest.raises(Unavailable, match="a server listens there already"):
                Place(path)
    assert not os.path.exists(f"{path}.lock")


def test_a_socket_of_another_kind_is_left_alone(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(path)
        other.listen()
        with pytest.raises(Unavailable, match="a server listens there already"):
            Place(path)
        assert os.path.exists(path)


def test_without_a_descriptor_nothing_is_left_behind(path: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    for room in range(3):
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + room, hard))
        try:
            with pytest.raises(Unavailable, match="Too many open files"):
                Place(path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert os.listdir(os.path.dirname(path)) == []
        assert os.dup(0) == free, "no descriptor is left open"
        os.close(free)


@pytest.fixture
def somebody() -> Iterator[str]:
    """Be somebody else than root; a directory that anybody may use."""
    own = os.geteuid()
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o777)
        import fcntl  # noqa: F401 (somebody else may not read where it is)

        os.seteuid(own or 65534)
        try:
            yield directory
        finally:
            os.seteuid(own)


def test_what_one_may_not_touch_is_told_as_that(somebody: str) -> None:
    path = os.path.join(somebody, "dpif.sock")
    with socket.socket(*UNIX) as other:
        other.bind(path)
        other.listen()
        os.chmod(path, 0)
        with pytest.raises(Unavailable, match="Permission denied") as caught:
            Place(path)
    assert caught.value.errno == errno.EACCES
