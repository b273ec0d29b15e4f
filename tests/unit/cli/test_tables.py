"""The tables of commands and options hold together."""

from __future__ import annotations

import importlib
import inspect
import shlex

import pytest

from dpif.cli.arguments import parse, read
from dpif.cli.command import REFUSED, TOPICS, Command
from dpif.cli.command_table import BY_NAME, COMMANDS
from dpif.cli.help import help_text
from dpif.cli.options import ALL, GENERAL, LOGGING, OWN, SHARED

each_command = pytest.mark.parametrize("command", COMMANDS, ids=[command.name for command in COMMANDS])


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(COMMANDS)


def test_flags_are_unique() -> None:
    flags = [flag for option in ALL.values() for flag in option.flags]
    assert len(set(flags)) == len(flags)
    assert len(ALL) == len(GENERAL) + len(SHARED) + len(LOGGING) + len(OWN)


@each_command
def test_the_handler_takes_a_context(command: Command) -> None:
    module, _, function = command.handler.partition(":")
    handler = getattr(importlib.import_module(f"dpif.cli.commands.{module}"), function)
    assert list(inspect.signature(handler).parameters) == ["context"]


@each_command
def test_examples_are_well_formed(command: Command) -> None:
    assert command.examples
    for example in command.examples:
        program, *words = shlex.split(example)
        assert program == "dpif"
        assert parse(words).command is command


@each_command
def test_the_help_shows_usage_options_and_examples(command: Command) -> None:
    text = help_text(command)
    assert text.startswith(f"usage: dpif {command.name}")
    for example in command.examples:
        assert example in text
    for key in (*command.options, *GENERAL):
        assert ALL[key].flags[-1] in text


@each_command
def test_every_command_takes_the_options_of_ovs_dpctl(command: Command) -> None:
    options = (SHARED | LOGGING).values()
    switches = [(option.flags[-1], "x" if option.metavar else None) for option in options]
    assert read(switches, command)[1] == []


def test_the_help_of_all_lists_every_command() -> None:
    text = help_text(None)
    for command in COMMANDS:
        assert f" {command.name}" in text
        assert command.topic == REFUSED or f"  {command.name} " in text
    assert {command.topic for command in COMMANDS} == set(TOPICS)


def test_what_the_help_lists_as_refused_is_what_always_fails() -> None:
    assert {one.name for one in COMMANDS if one.topic == REFUSED} == {one.name for one in COMMANDS if one.refused}


def test_words_of_the_help_keep_their_capitals() -> None:
    assert "Run a learning Ethernet switch on a datapath." in help_text(BY_NAME["switch"])


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_help_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in (None, *COMMANDS):
        kept = [] if command is None else [*command.details.splitlines(), *[f"  {line}" for line in command.examples]]
        lines = [line for line in help_text(command).splitlines() if line not in kept]
        assert max(map(len, lines)) <= max(min(columns, 100), 80)
