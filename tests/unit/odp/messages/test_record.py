"""Records as values: fields with defaults, equality, and a text for whoever debugs."""

from __future__ import annotations

import pytest

from dpif.odp.messages import DatapathRecord, VportRecord


def test_fields_have_defaults_of_their_own() -> None:
    one, other = DatapathRecord(name="br0"), DatapathRecord()
    one.user_features = 5
    assert (one.name, one.dp_ifindex, one.user_features) == ("br0", 0, 5)
    assert (other.name, other.user_features) == (None, None)


def test_a_field_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="DatapathRecord has no field 'port_no'; it has command, version"):
        DatapathRecord(port_no=1)  # type: ignore[call-arg]


def test_equality_is_that_of_all_fields() -> None:
    assert DatapathRecord(name="br0") == DatapathRecord(name="br0", dp_ifindex=0)
    assert DatapathRecord(name="br0") != DatapathRecord(name="br1")
    assert DatapathRecord(name="br0") != VportRecord(name="br0")


def test_what_can_be_changed_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(DatapathRecord())


def test_the_text_shows_every_field() -> None:
    text = repr(VportRecord(name="v0", port_no=3))
    assert text.startswith(
        "VportRecord(command=0, version=None, dp_ifindex=0, unknown=(), port_no=3, type=None, name='v0'"
    )
    assert "FAMILY" not in text
