"""Texts of lists of actions: each once, by the codes that flows have."""

from __future__ import annotations

import pytest

from dpif.odp.actions import parse_actions
from dpif.odp.columns import texts
from dpif.odp.columns.texts import ActionTexts

PARTS = [["1", "3", "1"], [], ["3", "pop_vlan,ct_clear"], ["ct(zone=5)"], ["drop"], ["1,2", "recirc(0x1),70"], ["1"]]
"""Lists of actions; those of a part have one length in bytes."""


def gathered(parts: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the texts, and those that the codes of each part stand for."""
    gathering = ActionTexts()
    told = [gathering.add([parse_actions(text).to_bytes() for text in part]) for part in parts]
    found, codes = gathering.finish()
    strings = found.strings()
    return strings, [[strings[codes[code]] for code in part] for part in told]


def test_equal_texts_have_one_code_in_the_end() -> None:
    strings, told = gathered(PARTS)
    assert strings == ["1", "3", "pop_vlan,ct_clear", "ct(zone=5)", "drop", "1,2", "recirc(0x1),70"]
    assert told == PARTS


def test_texts_whose_hashes_are_equal_alone_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "hash", lambda text: len(text), raising=False)
    strings, told = gathered(PARTS)
    assert told == PARTS
    assert set(strings) == {text for part in PARTS for text in part}


def test_there_may_be_none() -> None:
    assert gathered([]) == ([], [])


def test_what_is_not_ascii_is_told_by_its_bytes() -> None:
    helper = parse_actions("ct(commit,helper=ftp)").to_bytes().replace(b"ftp", b"f\xc3\xbc")
    bad = parse_actions("ct(commit,helper=ftp)").to_bytes().replace(b"ftp", b"f\xffp")
    gathering = ActionTexts()
    gathering.add([helper, bad])
    assert gathering.finish()[0].strings() == ["ct(commit,helper=fü)", "ct(commit,helper=f\\udcffp)"]


def test_lists_of_one_length_become_texts_by_the_templates_that_fit_them() -> None:
    kinds = ["1,{}", "recirc({:#x}),2", "trunc({}),3", "{},pop_vlan,ct_clear", "push_vlan(vid={},pcp=1),7"]
    given = [kind.format(number + 20) for number in range(300) for kind in kinds]
    by_size: dict[int, list[str]] = {}
    for text in given:
        by_size.setdefault(len(parse_actions(text).to_bytes()), []).append(text)
    assert max(map(len, by_size.values())) >= 600
    parts = [texts[start : start + 64] for texts in by_size.values() for start in range(0, len(texts), 64)]
    for _ in range(2):  # the first time there are no templates yet
        strings, told = gathered(parts)
        assert told == parts
        assert sorted(strings) == sorted(given)
