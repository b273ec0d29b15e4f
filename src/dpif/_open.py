"""``open("type@name")``: the one place that picks a transport.

``system@`` is the Linux kernel's datapath, over a netlink socket; ``netdev@`` one in user space that another
process serves on a Unix socket (``dpif serve``). A bare name means ``system@``. A datapath in user space that
is private to this process is opened on the `Userspace` that holds it.

The file is not called ``open.py``, since importing that would put the module in the place of the function
`dpif.open`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Sequence

from dpif._typing import TYPE_CHECKING, TypeAlias
from dpif.client.datapath import Datapath, create_datapath, find_datapath, list_datapaths
from dpif.errors import EncodeError, Unavailable
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NETLINK_GENERIC
from dpif.odp.constants.datapath import OVS_DATAPATH_FAMILY

if TYPE_CHECKING:
    from dpif.client.samples import Samples
    from dpif.netlink.transport import Dial
    from dpif.netlink.unix import Waiting
    from dpif.odp.constants.datapath import DatapathFeature

TYPES = ("system", "netdev")
Connect: TypeAlias = Callable[[str], Connection]
"""What returns a connection to the datapaths of a type."""
PATIENCE = 1.0
"""Seconds for which a server is waited for where its datapath is named: it may have been started just before."""


def split_name(name: str) -> tuple[str, str]:
    """Return type and name of ``type@name``; the type of a bare name is ``system``."""
    type_, at, rest = name.partition("@")
    return (type_, rest) if at else ("system", name)


def connect(
    type: str,
    socket: str | os.PathLike[str] | None = None,
    patience: float = 0.0,
    waiting: Waiting | None = None,
) -> Connection:
    """Return a connection to the datapaths of a type; raise `Unavailable` when there is no such peer.

    `socket` is the Unix socket of the userspace datapath, by default `DPIF_SOCKET` or the user's own; `patience` are
    the seconds for which its server is waited for, `waiting` is told its path when that does not answer soon.
    """
    connection = Connection(_dial(type, socket, patience, waiting))
    try:
        connection.family(OVS_DATAPATH_FAMILY)
    except Unavailable as error:
        connection.close()
        if type == "system" and error.errno == errno.ENOENT:
            raise Unavailable(
                "the kernel has no Open vSwitch datapath: load the module with 'modprobe openvswitch'", errno.ENOENT
            ) from None
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _dial(
    type: str, socket: str | os.PathLike[str] | None, patience: float = 0.0, waiting: Waiting | None = None
) -> Dial:
    if type == "system":
        from dpif.netlink.socket import KernelSocket

        return KernelSocket
    if type == "netdev":
        from dpif.netlink.unix import UnixTransport, default_socket_path

        path = os.fspath(socket) if socket else default_socket_path()
        return lambda protocol=NETLINK_GENERIC: UnixTransport(path, protocol, patience=patience, waiting=waiting)
    raise EncodeError(f"unknown datapath type {type!r}; one of: {', '.join(TYPES)}")


def open(
    name: str,
    *,
    create: bool = False,
    features: DatapathFeature | int = 0,
    ifindex: int | None = None,
    socket: str | os.PathLike[str] | None = None,
) -> Datapath:
    """Open the datapath ``type@name``, or with `create` make it first.

    A new one has the `features` (``OVS_DP_F_*``) and, from Linux 6.1 on, the `ifindex` that are asked for.

    Raises `NoSuchObject` when there is none, `AlreadyExists` when it is to be made and the name (of any network
    device) or the index is taken, `PermissionDenied` without CAP_NET_ADMIN, `Unavailable` without a peer,
    `NetlinkError` with EOPNOTSUPP for a feature that the datapath does not know. Opening one that exists sends GET
    requests only. A server of datapaths in user space that is just starting is waited for, for a second.
    """
    return open_by(
        lambda type: connect(type, socket, PATIENCE), name, create=create, features=features, ifindex=ifindex
    )


def open_by(
    connect: Connect,
    name: str,
    *,
    create: bool = False,
    features: DatapathFeature | int = 0,
    ifindex: int | None = None,
) -> Datapath:
    """Do as `open`, with a connection that `connect` returns for the type; the datapath's handle closes it."""
    type_, rest = split_name(name)
    connection = connect(type_)
    try:
        if create:
            return create_datapath(connection, rest, type_, features=features, ifindex=ifindex)
        return find_datapath(connection, rest, type_)
    except BaseException:
        connection.close()
        raise


def datapaths(type: str | None = None, *, socket: str | os.PathLike[str] | None = None) -> list[str]:
    """Return the names of all datapaths as ``type@name``, of one type or of every type that has a peer.

    Raises `Unavailable` when the type asked for, or every type, has none; it tells of a peer that is there and cannot
    be reached before one that is not there.
    """
    return datapaths_by(lambda type: connect(type, socket), TYPES if type is None else (type,))


def datapaths_by(connect: Connect, types: Sequence[str] = TYPES) -> list[str]:
    """Do as `datapaths`, with connections that `connect` returns for the types, and that are closed."""
    names: list[str] = []
    failures: list[Unavailable] = []
    for one in types:
        try:
            with connect(one) as connection:
                names.extend(f"{one}@{record.name}" for record in list_datapaths(connection))
        except Unavailable as error:
            failures.append(error)
    if len(failures) == len(types):
        raise next((error for error in failures if error.errno != errno.ENOENT), failures[0])
    return names


def samples(
    type: str = "system",
    groups: Collection[int] | None = None,
    *,
    socket: str | os.PathLike[str] | None = None,
    waiting: Waiting | None = None,
) -> Samples:
    """Listen to the packets that are sampled by the kernel, or by the datapaths in user space; see `Samples`.

    Of `groups` (numbers), or of all. The kernel needs no Open vSwitch for it: those of tc are heard as well.
    `waiting` is told the path of a server that does not answer soon.
    """
    from dpif.client.samples import Samples

    with Connection(_dial(type, socket, waiting=waiting)) as connection:
        return Samples(connection, groups)
