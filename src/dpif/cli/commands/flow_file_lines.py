"""Lines of a file of flows to operations; what is wrong with a line is a value too, for whoever reports it.

Most lines of a file are a match, a space, and actions. Those take the fast way (`dpif.odp.text`), which looks at
bytes and makes nothing but the operation. Every other line (a first word that says what to do, names of ports, a
UFID, a comment, a fault) takes the slow way, which both must agree with: a property test says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from dpif._typing import Final
from dpif.cli.commands.flow_texts import FlowReader, refuse_openflow
from dpif.cli.errors import CommandError
from dpif.client.operations import Delete, Put
from dpif.odp.text.file_lines import Lines
from dpif.odp.text.matches import encode_actions_text, encode_match_text

MAX_REMEMBERED: Final = 512
"""Lists of actions that are remembered by their texts: the lines of many files share few."""

_VERBS: Final = ("add", "delete", "modify")


class LineReader:
    """Reads the lines of one file; `verb` is what to do with the flow of a line that does not say so itself."""

    def __init__(self, reader: FlowReader, verb: str) -> None:
        self._reader = reader
        self._verb = verb
        self._actions: dict[bytes, bytes] = {}  # by all that a line has behind its match
        self._lines = Lines(with_actions=verb != "delete")

    def read_all(self, lines: list[bytes], first: int) -> list[Put | Delete | str | None]:
        """Return what `read` does for each line, of which the first has this number; many at a time take less."""
        attributes = self._lines.read(lines)
        told = [each for each in attributes if each is not None]
        operations: Iterator[Put | Delete] = Delete.encoded(told)
        if self._verb != "delete":
            operations = Put.encoded(told, create=self._verb == "add", modify=self._verb == "modify")
        if len(told) == len(lines):
            return list(operations)
        return [
            self.read(line, number) if each is None else next(operations)
            for number, line, each in zip(count(first), lines, attributes)
        ]

    def read(self, line: bytes, number: int) -> Put | Delete | str | None:
        """Return what to do, or what is wrong with the line; None for one that says nothing."""
        flow, _, rest = line.strip().partition(b" ")
        if self._verb == "delete":
            match = None if rest else encode_match_text(flow)
            return self._read_slowly(line, number) if match is None else Delete(match[0])
        match = encode_match_text(flow) if rest else None
        if match is None:
            return self._read_slowly(line, number)
        actions = self._actions.get(rest)
        if actions is None:
            actions = encode_actions_text(rest)
            if actions is None:
                return self._read_slowly(line, number)
            self._remember(rest, actions)
        return Put(match[0], actions, match[1], create=self._verb == "add", modify=self._verb == "modify")

    def verb(self, line: bytes) -> str:
        """Return what a line asks for."""
        return split_line(_text(line), self._verb)[0]

    def _read_slowly(self, line: bytes, number: int) -> Put | Delete | str | None:
        text = _text(line)
        if not text:
            return None
        verb, flow, actions = split_line(text, self._verb)
        if not flow or (verb == "delete") == bool(actions):
            if mistake := _of_openflow(text.removeprefix(verb)):
                return mistake
            expected = "a flow alone" if verb == "delete" else "a flow, a space, and actions"
            return f"Failed parsing line number {number}, skipped! (expected {expected})"
        try:
            if verb == "delete":
                return self._reader.delete(flow)
            put = self._reader.put(flow, actions, create=verb == "add", modify=verb == "modify")
        except CommandError as error:
            return _of_openflow(text.removeprefix(verb)) or str(error)
        if put.actions is not None and flow == text.partition(" ")[0]:
            self._remember(line.strip().partition(b" ")[2], put.actions)
        return put

    def _remember(self, text: bytes, actions: bytes) -> None:
        if len(self._actions) < MAX_REMEMBERED:
            self._actions[text] = actions


def _of_openflow(text: str) -> str:
    """Return what is wrong with a line as ``ovs-ofctl`` has it, with blanks where it likes; nothing for another."""
    try:
        refuse_openflow("parsing flow key", text, None)
    except CommandError as error:
        return str(error)
    return ""


def _text(line: bytes) -> str:
    """Return a line without its comment."""
    return line.partition(b"#")[0].decode(errors="replace").strip()


def split_line(text: str, default: str) -> tuple[str, str, str]:
    """Return what to do (a first word that starts one of the commands, else `default`), the flow and actions."""
    first = text.split(maxsplit=1)[0].partition(",")[0]
    verb = next((command for command in _VERBS if first and command.startswith(first)), None)
    flow, _, actions = (text.removeprefix(first).strip() if verb else text).partition(" ")
    return verb or default, flow, actions.strip()
