"""Documents are made as their values come, and are whole whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dpif.cli.output.json import VERSION, JsonOutput


def items(count: int, error: BaseException | None = None) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {"number": number}
    if error is not None:
        raise error


def document(*, one_a_line: bool = False) -> JsonOutput:
    return JsonOutput("list", one_a_line=one_a_line)


@pytest.mark.parametrize("one_a_line", [False, True])
def test_one_value_is_one_document(one_a_line: bool) -> None:
    (line,) = document(one_a_line=one_a_line).value({"size": 1 << 63})
    assert line == '{"version":1,"command":"list","size":9223372036854775808}'


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_an_array_has_all_values(count: int) -> None:
    members: dict[str, object] = {}

    def counted() -> Iterator[dict[str, object]]:
        yield from items(count)
        members["count"] = count

    lines = document().array("numbers", counted(), members, lambda: True)
    assert json.loads("\n".join(lines)) == {
        "version": VERSION,
        "command": "list",
        "numbers": [{"number": number} for number in range(count)],
        "count": count,
        "complete": True,
    }


def test_lines_are_objects_of_their_own() -> None:
    lines = document(one_a_line=True).array("numbers", items(2), {"left": "out"}, lambda: True)
    assert [json.loads(line) for line in lines] == [{"version": 1, "number": 0}, {"version": 1, "number": 1}]


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_array_that_ends_early_is_closed_and_says_so(count: int, error: type[BaseException]) -> None:
    made = document().array("numbers", items(count, error()), {}, lambda: True)
    lines: list[str] = []
    with pytest.raises(error):
        lines += made
    read = json.loads("\n".join(lines))
    assert len(read["numbers"]) == count
    assert read["complete"] is False


def test_a_failure_that_does_not_end_it_is_told() -> None:
    lines = document().array("numbers", items(1), {}, lambda: False)
    assert json.loads("\n".join(lines))["complete"] is False


def test_values_are_taken_one_at_a_time() -> None:
    taken: list[int] = []

    def watched() -> Iterator[dict[str, object]]:
        for number in range(10):
            taken.append(number)
            yield {"number": number}

    lines = document().array("numbers", watched(), {}, lambda: True)
    for _ in range(4):
        next(lines)
    assert len(taken) <= 4
