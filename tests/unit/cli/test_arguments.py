"""Words and options are told apart wherever the options stand."""

from __future__ import annotations

import re

import pytest

from dpif.cli.arguments import find, parse, split
from dpif.cli.command_table import BY_NAME
from dpif.cli.errors import CommandError, UsageError


@pytest.mark.parametrize(
    "line",
    [
        "-s --timeout 5 show dp0",
        "show -s -t 5 dp0",
        "show dp0 --statistics -t5",
        "show dp0 --stat --timeout=5",
        "-st5 show dp0",
        "show --time 5 -s dp0",
        "-s -t 5 show -- dp0",
        "-v -s show -vANY dp0 --log-file --timeout 5",
    ],
)
def test_options_may_stand_anywhere(line: str) -> None:
    invocation = parse(line.split())
    assert invocation.command is not None
    assert invocation.command.name == "show"
    assert invocation.words == ["dp0"]
    assert (invocation.options.statistics, invocation.options.timeout) == (True, "5")


def test_what_follows_two_dashes_is_words() -> None:
    assert parse(["del-if", "dp0", "--", "-s", "--"]).words == ["dp0", "-s", "--"]


def test_one_dash_is_a_word() -> None:
    assert parse(["add-flows", "-", "-s"]).words == ["-"]


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_the_command_of_the_lab_keeps_its_options(dashes: list[str]) -> None:
    invocation = parse(["lab", "--mem", "1G", *dashes, "ls", "-l", "--", "-s"])
    assert invocation.words == ["ls", "-l", "--", "-s"]
    assert invocation.options.mem == "1G"
    assert not invocation.options.statistics


@pytest.mark.parametrize(("switches", "names"), [([], None), (["--names"], True), (["--names", "--no-names"], False)])
def test_the_last_word_on_names_counts(switches: list[str], names: bool | None) -> None:
    assert parse(["dump-flows", *switches]).options.names is names


def test_a_value_is_not_taken_for_a_word() -> None:
    assert split(["--socket", "show", "dump-dps"]) == (["dump-dps"], [("--socket", "show")])


def test_a_value_that_is_missing_is_told() -> None:
    with pytest.raises(UsageError, match=r"option '--socket' requires an argument \(PATH\)"):
        parse(["show", "--socket"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "missing command name; use --help for help"),
        ("show --bogus", "unrecognized option '--bogus'"),
        ("show --statistic=5", "option '--statistics' doesn't allow an argument"),
        ("show -t", "option '-t' requires an argument (SECS); see 'dpif show --help'"),
        ("show --staistics", "did you mean '--statistics'"),
        ("dump-flows --counters", "unrecognized option '--counters'; see 'dpif dump-flows --help'"),
        ("show -sx", "invalid option -- 'x'"),
        ("--n show", "option '--n' is ambiguous; possibilities: --names --no-names --no-pager --no-syslog"),
        ("del-dp", "'del-dp' command requires at least 1 arguments; usage: dpif del-dp dp"),
        ("del-dp a b", "'del-dp' command takes at most 1 arguments"),
        ("dump-dps x", "'dump-dps' command takes at most 0 arguments; usage: dpif dump-dps"),
        ("show --take-over", "unrecognized option '--take-over' (it is one of upcalls); see 'dpif show --help'"),
    ],
)
def test_wrong_usage(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert message in str(caught.value)


def test_an_unknown_command_is_an_error_with_advice() -> None:
    with pytest.raises(CommandError, match=r"unknown command 'dump-flow' \(did you mean 'dump-flows'\?\)") as caught:
        parse(["dump-flow", "dp0"])
    assert caught.value.status == 1
    with pytest.raises(CommandError, match="did you mean 'show'"):
        parse(["shwo", "--help"])


@pytest.mark.parametrize(
    "name", sorted({name[:-1] for name in BY_NAME} | {name + "s" for name in BY_NAME} | {"parse-flows"})
)
def test_what_is_suggested_changes_nothing(name: str) -> None:
    if name in BY_NAME:
        return
    with pytest.raises(CommandError) as caught:
        find(name)
    suggested = re.search(r"did you mean '(.*)'", str(caught.value))
    assert suggested is None or not (BY_NAME[suggested[1]].writes or BY_NAME[suggested[1]].refused)


@pytest.mark.parametrize("flag", ["--file", "--logger", "--no-trees", "--no-colors", "--no-limits"])
def test_no_option_of_another_meaning_is_suggested(flag: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(["dump-flows", flag])
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("line", ["--help", "del-dp -h", "show --bogus --help", "-V", "bogus -V"])
def test_help_and_version_need_nothing_else(line: str) -> None:
    options = parse(line.split()).options
    assert options.help or options.version
