"""Netlink: datagrams of messages between a client and a datapath, for either end.

Netlink is how Linux programs talk to the parts of their kernel. A *datagram* holds one *message* or several;
a message is a header and a payload; most of a payload is *attributes*, each a type, a length and a value, which
may be attributes again. *Generic netlink* adds *families*: protocols with a name, whose messages begin with a
command and a version. This package owns all of that and no family: of Open vSwitch it knows nothing.

**Exchanges.** Whoever uses netlink does one of four things (`dpif.netlink.exchange`):

- a *transaction* asks once and is answered once; a *batch* is many of them in one datagram;
- a *dump* asks once and is answered by as many messages as the table has rows;
- a *multicast subscription* listens to what changes, whoever changed it;
- a *unicast subscription* listens to what is sent to it alone: for Open vSwitch the upcalls.

Each is a value that makes the datagrams to send and is fed those that arrive; none touches a socket. They
differ in what a full receive queue costs: an answer (ask again), a row (dump again), a notification (read the
state anew, since nobody knows what was missed; an `Overrun` marks the place), a packet (gone).

**The seam is the datagram.** A `Transport` sends and receives datagrams and knows no more. Three things are
transports: the kernel's socket (`KernelSocket`), a queue to a service in this process (`LoopbackTransport`),
and a Unix socket to a service in another process. `Connection` makes exchanges over transports, and
`TracedTransport` writes down what passes through one, as a capture that Wireshark reads.

**The other end.** `Answering` is what the kernel is to its sockets: it takes datagrams, has them carried out, and
sends replies, acknowledgements, dumps and notifications by the kernel's rules. `Service` is the one for generic
netlink, which calls the handler of a family's command. A userspace datapath is a service with the families of Open
vSwitch, and beside it, as in the kernel, stands another one for netfilter's protocol.

**Where things live**, from the bottom up: ``constants`` (the numbers), ``attributes`` and ``message`` (framing),
``policy`` (tables of typed attributes), ``ack`` (yes and no), ``exchange``, ``generic`` (families),
``transport`` with ``socket`` and ``loopback``, ``connection``, ``answering`` and ``service``, ``trace``.
"""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.netlink.answering import Call, Command, Peer, Refusal
    from dpif.netlink.attributes import RawAttr
    from dpif.netlink.connection import Connection
    from dpif.netlink.exchange import Batch, Dump, Overrun, Request, RequestKind, Subscription, Transaction
    from dpif.netlink.generic import Family
    from dpif.netlink.loopback import LoopbackTransport
    from dpif.netlink.message import Message
    from dpif.netlink.policy import AttributeSet
    from dpif.netlink.service import Service
    from dpif.netlink.socket import KernelSocket
    from dpif.netlink.trace import Trace, TracedTransport
    from dpif.netlink.transport import Dial, Transport

__all__ = [
    "AttributeSet",
    "Batch",
    "Call",
    "Command",
    "Connection",
    "Dial",
    "Dump",
    "Family",
    "KernelSocket",
    "LoopbackTransport",
    "Message",
    "Overrun",
    "Peer",
    "RawAttr",
    "Refusal",
    "Request",
    "RequestKind",
    "Service",
    "Subscription",
    "Trace",
    "TracedTransport",
    "Transaction",
    "Transport",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "AttributeSet": "policy",
        "Batch": "exchange",
        "Call": "answering",
        "Command": "answering",
        "Connection": "connection",
        "Dial": "transport",
        "Dump": "exchange",
        "Family": "generic",
        "KernelSocket": "socket",
        "LoopbackTransport": "loopback",
        "Message": "message",
        "Overrun": "exchange",
        "Peer": "answering",
        "RawAttr": "attributes",
        "Refusal": "answering",
        "Request": "exchange",
        "RequestKind": "exchange",
        "Service": "service",
        "Subscription": "exchange",
        "Trace": "trace",
        "TracedTransport": "trace",
        "Transaction": "exchange",
        "Transport": "transport",
    },
)
