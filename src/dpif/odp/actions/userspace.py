"""The action that sends a packet to user space."""

from __future__ import annotations

from dpif._typing import Any
from dpif.odp.actions.base import NestAction
from dpif.odp.actions.cookies import COOKIE_SIZE, ODPP_NONE, Cookie, UserData
from dpif.odp.constants import ActionAttr, UserspaceAttr
from dpif.odp.model.arguments import scan_unmasked, show_argument
from dpif.odp.model.attrs import Empty, PortNumber, Scalar, Style
from dpif.odp.model.kinds import PORT, U32, Plain
from dpif.odp.model.nest import Attr
from dpif.odp.model.scanner import Scanner

_USERDATA = UserData()
_NO_USERDATA = "userdata(none)"


class Userspace(NestAction, number=ActionAttr.USERSPACE, word="userspace"):
    """Send the packet to the netlink port ``pid`` with ``userdata``, which comes back as it is.

    ``userdata`` is bytes, or a cookie such as `SlowPath`. ``egress_tun_port`` asks for the tunnel header that the
    packet would get on that port; ``actions`` asks for the flow's actions to come along.
    """

    __slots__ = ()

    REQUIRED = ("pid",)

    pid = Attr(UserspaceAttr.PID, Scalar(U32, "="))
    userdata = Attr(UserspaceAttr.USERDATA, _USERDATA)
    egress_tun_port = Attr(UserspaceAttr.EGRESS_TUN_PORT, PortNumber(PORT, "="), "tunnel_out_port")
    actions = Attr(UserspaceAttr.ACTIONS, Empty())

    @property
    def cookie(self) -> Cookie | None:
        """What the user data says where it is a cookie of Open vSwitch, else None."""
        return None if self.userdata is None else Cookie.from_userdata(self.userdata)

    def plain(self) -> Plain:
        """The arguments; ``cookie`` tells what the user data says where it is one of Open vSwitch."""
        cookie = self.cookie
        told = super().plain()
        return told if cookie is None else {**told, "cookie": {cookie.WORD: cookie.plain()}}

    def show_arguments(self, style: Style) -> list[str]:
        """Return the arguments; the user data tells itself what it is."""
        cls = type(self)
        shown = []
        for attr in (cls.pid, cls.userdata, cls.actions, cls.egress_tun_port):
            kept = self.get_kept(attr.number)
            if kept is not None:
                shown.append(
                    _USERDATA.show(kept, None, style)
                    if attr is cls.userdata
                    else show_argument(attr, kept, None, style)
                )
            elif attr is cls.userdata and style.exact:
                shown.append(_NO_USERDATA)
        return shown

    @classmethod
    def scan_arguments(cls, scanner: Scanner) -> dict[int, Any]:
        """Take the arguments, as the C tool does: without any user data an empty cookie is sent; no port is none."""
        kept = super().scan_arguments(scanner)
        kept.setdefault(UserspaceAttr.USERDATA, bytes(COOKIE_SIZE))
        without = {number for number, value in kept.items() if value is None}
        if kept.get(UserspaceAttr.EGRESS_TUN_PORT) == ODPP_NONE:
            without.add(UserspaceAttr.EGRESS_TUN_PORT)
        return cls._in_order({number: value for number, value in kept.items() if number not in without})

    @classmethod
    def scan_one(cls, scanner: Scanner) -> tuple[int, Any]:
        """Take one argument; the user data comes under several names, ``userdata(none)`` says that there is none."""
        start = scanner.position
        names = {attr.text_name: attr for attr in cls.ATTRS.values()}
        possible = [*names, *Cookie.by_word]
        if scanner.take(_NO_USERDATA):
            return int(UserspaceAttr.USERDATA), None
        word = scanner.word(f"an argument ({', '.join(possible)})")
        if word == "userdata" or word in Cookie.by_word:
            return int(UserspaceAttr.USERDATA), _USERDATA.scan_word(word, scanner)
        if word not in names:
            scanner.unknown(word, possible, "argument", start)
        return int(names[word].number), scan_unmasked(names[word], scanner)
