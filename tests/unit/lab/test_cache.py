from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dpif.lab import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_folder_appears_whole_or_not_at_all() -> None:
    place = cache.folder("kernels", "sid")

    def fail(made: Path) -> None:
        (made / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.make_folder(place / "one", fail)
    assert list(place.iterdir()) == []
    cache.make_folder(place / "one", lambda made: (made / "file").touch())
    assert [path.relative_to(place).as_posix() for path in place.rglob("*")] == ["one", "one/file"]


def test_whoever_was_first_stays() -> None:
    place = cache.folder("kernels")

    def overtaken(made: Path) -> None:
        (made / "mine").touch()
        cache.make_folder(place / "one", lambda made: (made / "theirs").touch())

    cache.make_folder(place / "one", overtaken)
    assert [path.name for path in (place / "one").iterdir()] == ["theirs"]
    assert [path.name for path in place.iterdir()] == ["one"]


def test_one_process_at_a_time() -> None:
    """The other one says when it is in, which cannot be before it is let."""
    place = cache.folder("apt")
    script = "import sys, pathlib; from dpif.lab import cache\nwith cache.locked(pathlib.Path(sys.argv[1])): print(1)"
    with cache.locked(place):
        other = subprocess.Popen([sys.executable, "-c", script, str(place)], stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
    assert other.communicate() == ("1\n", None)
