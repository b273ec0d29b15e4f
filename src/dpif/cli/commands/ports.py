"""Ports: add, check and remove them; several in one command, where one that fails does not stop the others."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence

from dpif._typing import TYPE_CHECKING, Any, NamedTuple
from dpif.cli.devices import bring_up
from dpif.cli.numbers import read_number
from dpif.client.tunnels import TUNNELS, VPORTS
from dpif.errors import AlreadyExists, DpifError, NoSuchObject, ParseError

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath

_FROM_FLOWS = {"remote_ip": "flow", "local_ip": "flow", "key": "flow"}
"""What a tunnel port of a datapath always has, and may be said."""
_ABSENT = {errno.ENODEV: "there is no such device; type=internal makes one"}
_PRESENT = {errno.EEXIST: "it is a port already, or the name is taken"}
_NO_PORT = {errno.ENODEV: "there is no such port; 'dpif show' lists them"}
_CAPTURES = "dummy"
"""The type of a port whose packets are read from a capture file and written to one."""


class Interface(NamedTuple):
    """An interface as it is written, ``name[,key=value...]``; what is not given is None or absent."""

    name: str
    type: str | None
    number: int | None
    ifindex: int | None
    options: Mapping[str, str]

    def no_options(self) -> None:
        """Raise `ParseError` when options were given to a device that has none."""
        if self.options:
            raise ParseError(
                f"arguments provided to device that is not configurable: {', '.join(self.options)}; "
                "it takes type and port_no, an internal one ifindex"
            )


def parse_interface(text: str) -> Interface:
    """Read ``name[,key=value...]``; raise `ParseError`."""
    name, *settings = [part for part in text.split(",") if part] or [""]
    if not name:
        raise ParseError(f"{text!r} is not a valid network device name")
    type_: str | None = None
    number: int | None = None
    ifindex: int | None = None
    options: dict[str, str] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if not key:
            raise ParseError("Invalid option format")
        if key == "type":
            type_ = value
        elif key == "port_no":
            number = _number(key, value)
        elif key == "ifindex":
            ifindex = _number(key, value)
        elif key in options:
            raise ParseError(f'duplicate "{key}" option')
        else:
            options[key] = value
    return Interface(name, type_, number, ifindex, options)


def _number(key: str, text: str) -> int:
    number = read_number(text)
    if number is None:
        raise ParseError(f"{key}={text} is not a number")
    return number


def add_if(context: Context) -> None:
    """Add interfaces to a datapath."""
    datapath, interfaces = context.open_first()
    with datapath:
        add_interfaces(context, datapath, interfaces)


def add_interfaces(context: Context, datapath: Datapath, texts: Sequence[str]) -> None:
    """Add interfaces, reporting those that fail."""
    for text in texts:
        with _told_apart(context, text):
            _add(context, datapath, parse_interface(text))


def port_settings(interface: Interface, *, play: bool = False) -> dict[str, Any]:
    """Return what `Ports.add` takes for an interface, besides its name; raise `ParseError`.

    With `play` a capture is played at once.
    """
    type_ = interface.type or "system"
    options = _options(interface, type_)
    return {
        "type": type_,
        "number": interface.number or None,
        "options": {**options, "play": True} if play and "rx_pcap" in options else options,
        "ifindex": interface.ifindex,
    }


def _add(context: Context, datapath: Datapath, interface: Interface) -> None:
    settings = port_settings(interface, play=context.options.play)
    type_ = settings["type"]
    try:
        port = datapath.ports.add(interface.name, **settings)
    except NoSuchObject as error:
        context.report(f"{interface.name}: failed to open network device", error, _ABSENT)
        return
    except AlreadyExists as error:
        taken = f"{interface.name}: failed to open network device"
        added = f"adding {interface.name} to {context.words[0]} failed"
        context.report(taken if type_ == "internal" else added, error, _PRESENT)
        return
    except DpifError as error:
        context.report(f"adding {interface.name} to {context.words[0]} failed", error)
        return
    if datapath.type == "system":
        with context.reporting(f"{interface.name}: failed bringing interface up"):
            bring_up(port.name)
    if "rx_pcap" in settings["options"] and not context.options.play:
        context.note(
            f"{interface.name} plays its capture when somebody listens to what misses; --play does so at once"
        )


def _options(interface: Interface, type_: str) -> Mapping[str, object]:
    """Return the options of a port as the library takes them; raise `ParseError`."""
    if VPORTS.get(type_, type_) in TUNNELS:
        return _tunnel_options(interface, VPORTS.get(type_, type_))
    if type_ == _CAPTURES:  # files of whoever serves the datapath, in a directory of its own
        return {key: os.path.abspath(value) for key, value in interface.options.items()}
    interface.no_options()
    return {}


def _tunnel_options(interface: Interface, type_: str) -> Mapping[str, object]:
    """Return the options of the port that serves all tunnels of a type."""
    usual = TUNNELS[type_].udp_port
    options: dict[str, object] = {}
    for key, value in interface.options.items():
        if key in _FROM_FLOWS:
            if value != _FROM_FLOWS[key]:
                raise ParseError(f"{key}={value}: a datapath's tunnels take it from the flows; say {key}=flow")
        elif key == "dst_port" and usual:
            options[key] = _number(key, value)
        elif key == "exts" and value in ("gbp", "gpe"):
            options[value] = True
        else:
            raise ParseError(f"unknown option {key}={value} of a {interface.type} port")
    return options


def set_if(context: Context) -> None:
    """Check that ports are as is said; nothing about a datapath's port can be changed once it is there."""
    datapath, interfaces = context.open_first()
    with datapath:
        for text in interfaces:
            with _told_apart(context, text):
                _check(context, datapath, parse_interface(text))


def _check(context: Context, datapath: Datapath, interface: Interface) -> None:
    try:
        port = datapath.ports.get(interface.name)
    except NoSuchObject as error:
        context.report(f"{interface.name}: failed to query port in {context.words[0]}", error)
        return
    present = port.type
    if VPORTS.get(interface.type or "", interface.type) not in (None, present):
        raise ParseError(f"can't change type from {present} to {interface.type}")
    if interface.number not in (None, port.number):
        raise ParseError(f"can't change port number from {port.number} to {interface.number}")
    if interface.ifindex not in (None, port.ifindex):
        raise ParseError(f"can't change ifindex from {port.ifindex} to {interface.ifindex}")
    if present not in TUNNELS:
        interface.no_options()
    elif interface.options:
        raise ParseError("the options of a tunnel port can't be changed; remove it and add it anew")


def del_if(context: Context) -> None:
    """Remove ports, by number where an argument is all digits, else by name."""
    datapath, names = context.open_first()
    with datapath:
        for name in names:
            _remove(context, datapath, name)


def _remove(context: Context, datapath: Datapath, name: str) -> None:
    number = read_number(name)
    try:
        number = datapath.ports.get(name).number if number is None else number
    except NoSuchObject:
        present = ", ".join(port.name for port in datapath.ports)
        context.report(f"no port named {name}; {datapath} has: {present}")
        return
    with context.reporting(f"deleting port {name} from {context.words[0]} failed", _NO_PORT):
        datapath.ports.delete(number)


@contextlib.contextmanager
def _told_apart(context: Context, text: str) -> Iterator[None]:
    """Report a mistake in the text of an interface by the interface's name, and go on."""
    try:
        yield
    except ParseError as error:
        context.report(f"{text.partition(',')[0]}: {error}")
