"""Packets as people write them on a command line: hexadecimal, out of a capture, or in a short form.

::

    0200000000020200000000010806…                     the bytes of a frame
    pcap:dump.pcap   pcap:dump.pcap#3                  all packets of a capture, or the third
    udp 10.0.0.1:1000 > 10.0.0.2:53                    a short form
    tcp [2001:db8::1]:1000 > [2001:db8::2]:80 flags syn
    icmp 10.0.0.1 > 10.0.0.2    icmp 10.0.0.2 > 10.0.0.1 reply
    arp who-has 10.0.0.2 tell 10.0.0.1    arp reply 10.0.0.2 is-at 02:00:00:00:00:02 tell 10.0.0.1
    ip 10.0.0.1 > 10.0.0.2 proto 47

Behind a short form may stand ``eth SOURCE > DESTINATION``, ``vlan 5``, ``ttl 1``, ``tos 16``, ``len 100`` or
``data 68656c6c6f`` for what is within, and ``in v0``, the port that the packet comes in by. Addresses of Ethernet
that are left out are 02:00:00:00:00:01 and 02:00:00:00:00:02, all stations where a request is for all.

This knows packets; what a port's name means is for who sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from dpif._lazy import pattern
from dpif._typing import NamedTuple, NoReturn
from dpif.errors import DpifError, EncodeError, ParseError
from dpif.packet import build
from dpif.packet.addresses import BROADCAST, Mac
from dpif.packet.capture import read

__all__ = ["Written", "parse_packet", "read_packets"]

SOURCE = Mac("02:00:00:00:00:01")
DESTINATION = Mac("02:00:00:00:00:02")
_CAPTURE = "pcap:"
_HEX = pattern(r"(?:[0-9a-fA-F]{2}[\s:]*+)++")
_TOKEN = pattern(r"[^\s>]++|>")
_ENDPOINT = pattern(r"(?:\[([^]]*+)\]|([^:]++)):(\d++)")
_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128}
_LONGEST = 65000
"""Bytes of what a short form has within, at most."""


class Written(NamedTuple):
    """A packet; ``in_port`` names where it comes in, empty where that is not said, ``timestamp`` is a capture's."""

    frame: bytes
    in_port: str = ""
    timestamp: float = 0.0


def read_packets(text: str) -> Iterator[Written]:
    """Yield the packets that a text stands for; raise `ParseError`, or `DpifError` for a capture that is none."""
    if text.startswith(_CAPTURE):
        yield from _of_capture(text)
    else:
        yield parse_packet(text)


def _of_capture(text: str) -> Iterator[Written]:
    path, number = text.removeprefix(_CAPTURE), ""
    head, sign, tail = path.rpartition("#")
    if sign and tail.isdecimal():
        path, number = head, tail
    found = read(path)
    chosen = islice(found, max(int(number) - 1, 0), int(number)) if number else found
    count = 0
    for packet in chosen:
        count += 1
        yield Written(packet.data, timestamp=packet.timestamp)
    if number and not count:
        raise DpifError(f"{path} has no packet {number}; the first is 1")


def parse_packet(text: str) -> Written:
    """Return the packet of hexadecimal digits or of a short form; raise `ParseError`."""
    bare = text.strip()
    if _HEX.fullmatch(bare):
        return Written(bytes.fromhex(bare.replace(":", "")))
    return _ShortForm(text).packet()


class _ShortForm:
    """A short form as it is read, word by word."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = [(found[0], found.start()) for found in _TOKEN.finditer(text)]
        self._at = 0
        self._addresses: tuple[Mac, Mac] | None = None
        self._vlan: int | None = None
        self._in_port = ""
        self._protocol = ""
        self._bytes = {"ttl": 64, "tos": 0}
        self._flags: int | None = None
        self._is_reply = False
        self._payload = b""
        self._broadcasts = False
        self._make: Callable[[], build.Layer] | None = None

    def packet(self) -> Written:
        """Return the packet; raise `ParseError`."""
        while self._at < len(self._words):
            word = self._take("a word")
            reader = _READERS.get(word.lower())
            if reader is None:
                self._fail(f"unknown word {word!r}", f"a packet begins with {', '.join(_PROTOCOLS)}", self._at - 1)
            reader(self, word.lower())
        if self._make is None:
            self._fail("there is no packet in it", f"one begins with {', '.join(_PROTOCOLS)}")
        if self._flags is not None and self._protocol != "tcp":
            self._fail("flags are for tcp")
        if self._is_reply and not self._protocol.startswith("icmp"):
            self._fail("reply is for icmp; that of ARP begins with arp reply")
        try:
            layer = self._make()
            if self._vlan is not None:
                layer = build.vlan(self._vlan, layer)
            src, dst = self._addresses or (SOURCE, BROADCAST if self._broadcasts else DESTINATION)
            return Written(build.ethernet(src, dst, layer), self._in_port)
        except (EncodeError, ParseError) as error:
            raise ParseError(str(error), self._text) from None

    def _take(self, what: str) -> str:
        if self._at >= len(self._words):
            self._fail(f"expected {what} at the end")
        self._at += 1
        return self._words[self._at - 1][0]

    def _fail(self, reason: str, hint: str = "", at: int | None = None) -> NoReturn:
        place = self._at if at is None else at
        position = self._words[place][1] if place < len(self._words) else len(self._text)
        raise ParseError(reason, self._text, position, hint)

    def _expect(self, word: str) -> None:
        if self._take(f"'{word}'") != word:
            self._fail(f"expected '{word}', found {self._words[self._at - 1][0]!r}", at=self._at - 1)

    def _number(self, what: str, most: int) -> int:
        text = self._take(what)
        if not text.isdecimal() or int(text) > most:
            self._fail(f"{text!r} is not {what}", f"a number up to {most}", self._at - 1)
        return int(text)

    def _begin(self, protocol: str, make: Callable[[], build.Layer]) -> None:
        if self._make is not None:
            self._fail("there are two packets in it", "one at a time", 0)
        self._protocol, self._make = protocol, make

    def _endpoint(self) -> tuple[str, int]:
        text = self._take("an address and a port")
        found = _ENDPOINT.fullmatch(text)
        if found is None or int(found[3]) > 0xFFFF:
            self._fail(
                f"{text!r} is not an address and a port", "as in 10.0.0.1:80 or [2001:db8::1]:80", self._at - 1
            )
        return found[1] or found[2], int(found[3])

    def _pair(self) -> tuple[str, str]:
        src = self._take("an address")
        self._expect(">")
        return src, self._take("an address")

    # What the words mean.

    def read_ports(self, word: str) -> None:
        src, src_port = self._endpoint()
        self._expect(">")
        dst, dst_port = self._endpoint()
        ends = (src, dst, src_port, dst_port)

        def make() -> build.Layer:
            ttl, tos = self._bytes["ttl"], self._bytes["tos"]
            if word == "udp":
                return build.udp(*ends, self._payload, ttl=ttl, tos=tos)
            return build.tcp(*ends, self._payload, flags=self._flags or 0, ttl=ttl, tos=tos)

        self._begin(word, make)

    def read_icmp(self, word: str) -> None:
        src, dst = self._pair()

        def make() -> build.Layer:
            return build.echo(src, dst, reply=self._is_reply, payload=self._payload, **self._bytes)

        self._begin(word, make)

    def read_ip(self, word: str) -> None:
        src, dst = self._pair()
        self._expect("proto")
        protocol = self._number("an IP protocol", 255)
        self._begin(
            word, lambda: build.ip(src, dst, protocol, self._payload, ttl=self._bytes["ttl"], tos=self._bytes["tos"])
        )

    def read_arp(self, word: str) -> None:
        kind = self._take("'who-has' or 'reply'").lower()
        if kind == "who-has":
            target = self._take("an address")
            self._expect("tell")
            sender = self._take("an address")
            self._broadcasts = True
            self._begin(word, lambda: build.arp_request(self._from(), sender, target))
        elif kind == "reply":
            sender = self._take("an address")
            self._expect("is-at")
            mac = self._mac()
            self._expect("tell")
            target = self._take("an address")
            self._begin(word, lambda: build.arp_reply(mac, sender, self._to(), target))
        else:
            hint = "who-has A tell B, or reply A is-at MAC tell B"
            self._fail(f"unknown kind of ARP packet {kind!r}", hint, self._at - 1)

    def _from(self) -> Mac:
        return (self._addresses or (SOURCE,))[0]

    def _to(self) -> Mac:
        return (self._addresses or (SOURCE, DESTINATION))[1]

    def _mac(self) -> Mac:
        try:
            return Mac(self._take("an Ethernet address"))
        except ParseError as error:
            self._fail(error.reason, error.hint, self._at - 1)

    def read_eth(self, word: str) -> None:
        src = self._mac()
        self._expect(">")
        self._addresses = (src, self._mac())

    def read_vlan(self, word: str) -> None:
        self._vlan = self._number("a VLAN", 0xFFF)

    def read_in(self, word: str) -> None:
        self._in_port = self._take("a port")

    def read_byte(self, word: str) -> None:
        self._bytes[word] = self._number(f"a {word.upper()}", 255)

    def read_reply(self, word: str) -> None:
        self._is_reply = True

    def read_flags(self, word: str) -> None:
        names = self._take("TCP flags").lower().split(",")
        for name in names:
            if name not in _FLAGS:
                self._fail(f"unknown TCP flag {name!r}", f"one of: {', '.join(_FLAGS)}", self._at - 1)
        self._flags = sum(_FLAGS[name] for name in set(names))

    def read_len(self, word: str) -> None:
        self._payload = bytes(self._number("a length", _LONGEST))

    def read_data(self, word: str) -> None:
        text = self._take("hexadecimal digits")
        if not _HEX.fullmatch(text):
            self._fail(f"{text!r} are not hexadecimal digits, two for each byte", at=self._at - 1)
        self._payload = bytes.fromhex(text.replace(":", ""))


_PROTOCOLS: dict[str, Callable[[_ShortForm, str], None]] = {
    "udp": _ShortForm.read_ports,
    "tcp": _ShortForm.read_ports,
    "icmp": _ShortForm.read_icmp,
    "icmp6": _ShortForm.read_icmp,
    "arp": _ShortForm.read_arp,
    "ip": _ShortForm.read_ip,
}
_READERS: dict[str, Callable[[_ShortForm, str], None]] = {
    **_PROTOCOLS,
    "eth": _ShortForm.read_eth,
    "vlan": _ShortForm.read_vlan,
    "in": _ShortForm.read_in,
    "ttl": _ShortForm.read_byte,
    "tos": _ShortForm.read_byte,
    "reply": _ShortForm.read_reply,
    "flags": _ShortForm.read_flags,
    "len": _ShortForm.read_len,
    "data": _ShortForm.read_data,
}
