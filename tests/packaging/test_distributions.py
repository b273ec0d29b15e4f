"""The wheel and the source distribution: what is in them, what they say of themselves, and that they work."""

from __future__ import annotations

import email
import os
import re
import runpy
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from dpif import __version__

from .conftest import ROOT, Built, build

DATA = {
    "share/man/man8/dpif.8": None,
    "share/bash-completion/completions/dpif": "dpif.bash",
    "share/zsh/site-functions/_dpif": "dpif.zsh",
    "share/fish/vendor_completions.d/dpif.fish": "dpif.fish",
}
"""What a system has from a wheel besides the package, and the file of `dpif/_data/completion` that it is."""
LINK = re.compile(r"\]\((?!https?://|#)([^)]*)\)")


def contents(wheel: Path) -> dict[str, bytes]:
    """Return the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def unpacked(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that is in the source distribution."""
    target = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built.sdist) as archive:
        archive.extractall(target, filter="data")
    (tree,) = target.iterdir()
    return tree


@pytest.fixture(scope="module")
def metadata(built: Built) -> Message:
    """What the wheel says of itself."""
    files = contents(built.wheel)
    (name,) = [name for name in files if name.endswith("dist-info/METADATA")]
    return email.message_from_bytes(files[name])


def test_the_source_distribution_has_all_that_the_repository_has(unpacked: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no repository, but perhaps a source distribution itself")
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = [name for name in kept.split("\0") if name and (ROOT / name).exists()]
    assert [name for name in there if not (unpacked / name).exists()] == []


def test_a_wheel_of_the_source_distribution_is_the_same(built: Built, unpacked: Path, tmp_path: Path) -> None:
    (again,) = build(unpacked, tmp_path, "wheel")
    assert again.name == built.wheel.name
    assert contents(again) == contents(built.wheel)


def test_tests_run_from_the_source_distribution(unpacked: Path) -> None:
    tests = ["tests/test_exports.py", "tests/test_docs.py", "tests/unit/packet"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not manual", *tests],
        cwd=unpacked,
        env={**os.environ, "PYTHONPATH": str(unpacked / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_licences_are_named_and_there(metadata: Message, built: Built) -> None:
    assert metadata["License-Expression"] == "Apache-2.0 AND BSD-3-Clause"
    files = contents(built.wheel)
    texts = {
        path: files[f"dpif-{__version__}.dist-info/licenses/{path}"].decode()
        for path in metadata.get_all("License-File", [])
    }
    assert "Apache License" in texts["LICENSE"]
    captures = [path for path in ROOT.rglob("*.pcap") if ".venv" not in path.parts and "build" not in path.parts]
    assert {str(path.parent.relative_to(ROOT) / "README.md") for path in captures} <= set(texts)
    assert all("Redistributions of source code must retain" in texts[path] for path in texts if path != "LICENSE")


def test_who_looks_for_it_finds_it(metadata: Message) -> None:
    assert metadata["Author"]
    assert "openvswitch" in metadata["Keywords"].split(",")
    told = metadata.get_all("Classifier", [])
    versions = {text.rpartition(" :: ")[2] for text in told if re.search(r":: 3\.\d+$", text)}
    assert versions == {"3.11", "3.12", "3.13", "3.14"}
    assert all("extra ==" in needed for needed in metadata.get_all("Requires-Dist", []))


def test_the_description_has_no_link_that_leads_nowhere(metadata: Message) -> None:
    text = str(metadata.get_payload())
    assert text.startswith("# dpif\n")
    assert "the lab boots one" in text
    assert LINK.findall(text) == []


def test_links_lead_to_the_project_where_its_address_is_known() -> None:
    readme = runpy.run_path(str(ROOT / "hatch_build.py"))["readme"]
    text = "![A](docs/a.svg) [b](docs/b.md) [c](https://c.example/) [d](#d)"
    kept = "[c](https://c.example/) [d](#d)"
    assert readme(text, None) == f" b {kept}"
    at = "https://forge.example/dpif"
    assert readme(text, at) == f"![A]({at}/raw/main/docs/a.svg) [b]({at}/blob/main/docs/b.md) {kept}"


def test_an_installed_wheel_brings_the_command_its_page_and_completions(built: Built, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(tmp_path / "bin" / "python"), "-q", "install", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--disable-pip-version-check", str(built.wheel)], check=True)
    told = subprocess.run([tmp_path / "bin" / "dpif", "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert told.stdout == f"dpif {__version__}\n", told.stderr
    for path, script in DATA.items():
        there = (tmp_path / path).read_text()
        assert script is None or there == (ROOT / "src/dpif/_data/completion" / script).read_text()
    found = subprocess.run(
        ["man", "--manpath", str(tmp_path / "share" / "man"), "--where", "dpif"], capture_output=True, text=True
    )
    assert found.stdout.strip() == str(tmp_path / "share/man/man8/dpif.8")
