"""The ports of a datapath: attach, detach, look up, list, and watch.

**Port numbers.** Where the caller leaves the choice, a handle gives numbers from a queue in which those that were
freed wait longest (`port_numbers.py`): at first 1, 2, 3, … as the datapath itself would. A number that turns out to
be taken is passed over. The refusal EBUSY has another cause too, a device that belongs to somebody else, and no
number helps against that; so the ports are listed to see which it was. The list shows at once all other numbers
that are taken, so that a new handle on a full datapath learns of them in one step. Beyond 1023 the datapath chooses.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping
from functools import partial

from dpif._typing import TYPE_CHECKING
from dpif.client.port import Port, encode_options, type_number
from dpif.client.port_numbers import MAX_PORTS, PortNumbers
from dpif.client.tunnels import TUNNELS, VPORTS, check_options, device_name
from dpif.errors import AlreadyExists, DpifError, EncodeError, NetlinkError, NoSuchObject, netlink_error
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NLM_F_ECHO
from dpif.odp.constants.vport import VportCmd, VportType
from dpif.odp.messages.vport import VportRecord

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath
    from dpif.client.watch import PortWatch

__all__ = ["Ports", "find_port", "is_internal_device"]


_NEVER_A_PORT = (errno.EINVAL, errno.ERANGE, errno.EFBIG)
"""What datapaths say to a number or name that no port can have."""


class Ports:
    """The ports of one datapath; iterate for all of them, ordered by number.

    ``ports["h1"]`` and ``ports[1]`` are what `get` returns, ``"h1" in ports`` tells whether there is one,
    ``len(ports)`` counts them. Each of these asks the datapath, and so does ``repr``.
    """

    max_ports = MAX_PORTS
    """How many numbers `add` chooses from; a soft limit, for a datapath takes any number up to 65534."""

    def __init__(self, datapath: Datapath) -> None:
        self._dp = datapath
        self._numbers = PortNumbers()

    def add(
        self,
        name: str,
        *,
        type: str = "system",
        number: int | None = None,
        options: Mapping[str, object] | None = None,
        ifindex: int | None = None,
    ) -> Port:
        """Attach a port: the network device `name` (``system``), or a new device of another type.

        A tunnel's device is named after its type and UDP port (``vxlan_sys_4789``), whatever `name` says; one that
        is there already is shared when its options are the same. One of the type ``vport-vxlan``, ``vport-geneve`` or
        ``vport-gre`` has the name that is given; the datapath makes its device, and removes it with the port. Devices
        are those of the calling thread's network namespace. `ifindex` is for an ``internal`` port's device (Linux
        6.1).

        Without `number` one is chosen (see the module). Raises `AlreadyExists` (attached already, or the name is
        taken), `NoSuchObject` (no such device), `NetlinkError` with EBUSY (the number is taken, or another
        datapath or bridge has the device, or the interface index is), EFBIG (the number is 65535 or more),
        EOPNOTSUPP (an interface index for another type of port).
        """
        if ifindex is not None and type != "internal":
            explanation = "the interface index of an internal port alone can be chosen"
            raise netlink_error(errno.EOPNOTSUPP, f"adding {name} to {self._dp.name}", explanation)
        if type in TUNNELS:
            return self._add_tunnel(type, number, check_options(type, options))
        if type in VPORTS:
            type, options = VPORTS[type], check_options(VPORTS[type], options)
        vport_type = type_number(type)
        if vport_type == VportType.NETDEV and self._dp.type == "system":
            from dpif.client.devices import switch_off_lro

            with contextlib.suppress(OSError):  # a device that cannot do it never did LRO, or is not there
                switch_off_lro(name)
        record = VportRecord(name=name, type=vport_type, options=encode_options(options), ifindex=ifindex)
        return self._attach(record, number)

    def _add_tunnel(self, type: str, number: int | None, options: Mapping[str, object]) -> Port:
        """Attach the device of a tunnel; where the kernel makes none, a port of the tunnel's own vport type."""
        from dpif.client.tunnel_devices import make_device, remove_device

        name = device_name(type, options)
        try:
            made = self._dp.type == "system" and make_device(type, options)
        except NetlinkError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            made = None
        if self._dp.type != "system" or made is None:
            return self._attach(
                VportRecord(name=name, type=type_number(type), options=encode_options(options)), number
            )
        try:
            return self._attach(VportRecord(name=name, type=VportType.NETDEV), number)
        except BaseException:
            if made:
                remove_device(name, None)
            raise

    def _attach(self, record: VportRecord, number: int | None) -> Port:
        port = self._attach_with_any(record) if number is None else self._attach_with(record, number)
        if self._dp.dispatch and port.upcall_pids != self._dp.dispatch.pids_for(port.number):
            self.set_upcall_pids(port, self._dp.dispatch.pids_for(port.number))  # the datapath chose the number
        return port

    def _attach_with_any(self, record: VportRecord) -> Port:
        while True:
            number = self._numbers.take()
            try:
                return self._new(record, number)
            except NetlinkError as error:
                if number is None:
                    raise
                if error.errno == errno.EFBIG or (error.errno == errno.EBUSY and self._is_in_use(number)):
                    continue
                self._numbers.give_back(number)
                if error.errno == errno.EBUSY:
                    raise self._busy(error, record) from None
                raise

    def _attach_with(self, record: VportRecord, number: int) -> Port:
        try:
            return self._new(record, number)
        except NetlinkError as error:
            if error.errno != errno.EBUSY:
                raise
            if self._is_in_use(number):
                explanation = f"port number {number} is taken"
                raise netlink_error(errno.EBUSY, error.operation, explanation) from None
            raise self._busy(error, record) from None

    def _new(self, record: VportRecord, number: int | None) -> Port:
        record.command = VportCmd.NEW
        record.dp_ifindex = self._dp.ifindex
        record.port_no = number
        record.upcall_pid = self._dp.dispatch.pids_for(number) if self._dp.dispatch else (0,)
        try:
            port = self._one(record, f"adding {record.name} to {self._dp.name}", NLM_F_ECHO)
        except AlreadyExists as error:
            raise self._taken(error, record, error.explanation) from None
        self._numbers.used(port.number)
        return port

    def _busy(self, error: NetlinkError, record: VportRecord) -> NetlinkError:
        """Return the error that says what is taken when a port cannot be attached though its number is free."""
        if record.ifindex is not None:
            explanation = f"another device has the interface index {record.ifindex}"
            return netlink_error(errno.EBUSY, error.operation, explanation)
        return self._taken(error, record, "another bridge or bond has the device")

    def _taken(self, error: NetlinkError, record: VportRecord, otherwise: str) -> NetlinkError:
        """Return the error that names, when it is read, the port that has the device already."""
        find = partial(_whose, self._dp.connection, str(record.name), otherwise)
        return netlink_error(error.errno or errno.EBUSY, error.operation, find)

    def _is_in_use(self, number: int) -> bool:
        return any(port.number == number for port in self)

    def delete(self, port: Port | int | str) -> None:
        """Detach a port given by its number, its name or itself; raise `NoSuchObject`, EINVAL for port 0.

        The device of a tunnel is deleted with it.
        """
        record = VportRecord(command=VportCmd.DEL, dp_ifindex=self._dp.ifindex)
        if isinstance(port, str):
            record.name = port
        else:
            record.port_no = port if isinstance(port, int) else port.number
        what = port.number if isinstance(port, Port) else port
        gone = self._one(record, f"deleting port {what} from {self._dp.name}", NLM_F_ECHO)
        self._numbers.freed(gone.number)
        if gone.type in TUNNELS and self._dp.type == "system":
            from dpif.client.tunnel_devices import remove_device

            remove_device(gone.name, gone.ifindex)

    def get(self, port: int | str) -> Port:
        """Return the port of a number or a name; raise `NoSuchObject`.

        A name is the one that the device had when it was attached.
        """
        record = VportRecord(command=VportCmd.GET, dp_ifindex=self._dp.ifindex)
        if isinstance(port, int):
            record.port_no = port
        else:
            record.name = port
        return self._one(record, f"querying port {port} in {self._dp.name}")

    def __getitem__(self, port: int | str) -> Port:
        return self.get(port)

    def __contains__(self, port: object) -> bool:
        """Tell whether there is a port of this number or name, or this very port (its counters aside)."""
        if not isinstance(port, (Port, int, str)):
            return False
        try:
            found = self.get(port.number if isinstance(port, Port) else port)
        except NoSuchObject:
            return False
        except EncodeError:  # no port can have that number or name
            return False
        except NetlinkError as error:
            if error.errno not in _NEVER_A_PORT:
                raise
            return False
        return not isinstance(port, Port) or found.same_place(port)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        """Every datapath has its local port; nobody need ask."""
        return True

    def __repr__(self) -> str:
        try:
            shown = ", ".join(f"{port.number}:{port.name}" for port in self)
        except DpifError as error:  # whoever debugs wants to see the rest
            shown = str(error)
        return f"<Ports of {self._dp}: {shown}>"

    def number_of(self, port: Port | int | str) -> int:
        """Return the number of a port given by its number, its name or itself; a name is looked up."""
        if isinstance(port, str):
            return self.get(port).number
        return port if isinstance(port, int) else port.number

    def set_upcall_pids(self, port: Port | int, pids: tuple[int, ...]) -> None:
        """Say which netlink port ids a port's upcalls go to; 0 for none (``OVS_VPORT_ATTR_UPCALL_PID``)."""
        number = port if isinstance(port, int) else port.number
        record = VportRecord(command=VportCmd.SET, dp_ifindex=self._dp.ifindex, port_no=number, upcall_pid=pids)
        self._dp.connection.transact(record.request(f"setting upcall pids of port {number}"))

    def __iter__(self) -> Iterator[Port]:
        record = VportRecord(command=VportCmd.GET, dp_ifindex=self._dp.ifindex)
        rows = self._dp.connection.dump_all(record.request(f"listing the ports of {self._dp.name}"))
        ports = {port.number: port for port in map(Port.of_record, rows)}
        self._numbers.observed(ports.keys())  # only a list that came to its end says what is free
        return iter(sorted(ports.values(), key=lambda port: port.number))

    def names(self) -> dict[int, str]:
        """Return the name of each port number, as `format_key` and `Actions.format` take it."""
        return {port.number: port.name for port in self}

    def numbers(self) -> Mapping[str, int]:
        """Return the number of each port name, as texts of flows are read with it; asked for when it is needed first.

        Texts that are given to this datapath's methods are read with it anyway; it is for `parse_match`,
        `parse_actions`, and operations that `Datapath.operate` carries out.
        """
        from dpif.client.port_names import NumbersByName

        return NumbersByName(self.names)

    def watch(self) -> PortWatch:
        """Return a listener for changes of ports; it knows the present ports at once.

        ``for event in watch`` ends when the datapath is deleted, behind the removal of its local port.
        """
        from dpif.client.watch import PortWatch

        return PortWatch(self._dp)

    def _one(self, record: VportRecord, operation: str, flags: int = 0) -> Port:
        reply = self._dp.connection.transact(record.request(operation, flags))
        if reply is None:
            raise NetlinkError(errno.EPROTO, operation, "the datapath acknowledged without a reply")
        if reply.dp_ifindex != self._dp.ifindex:
            raise netlink_error(errno.ENODEV, operation, "the device belongs to another datapath")
        return Port.of_record(reply)


def find_port(connection: Connection, name: str) -> tuple[int, Port]:
    """Return the port of a device's name in any datapath, after the datapath's ifindex; raise `NoSuchObject`."""
    operation = f"looking for a port {name}"
    reply = connection.transact(VportRecord(command=VportCmd.GET, name=name).request(operation))
    if reply is None:
        raise NetlinkError(errno.EPROTO, operation, "acknowledged without a reply")
    return reply.dp_ifindex, Port.of_record(reply)


def is_internal_device(connection: Connection, name: str) -> bool:
    """Tell whether a network device is an internal port of some datapath."""
    try:
        return find_port(connection, name)[1].type == "internal"
    except NoSuchObject:
        return False


def _whose(connection: Connection, name: str, otherwise: str) -> str:
    """Return in words which port has a device already, or what else to say."""
    from dpif.client.datapath import list_datapaths

    try:
        with connection.again() as again:
            ifindex, port = find_port(again, name)
            owner = next((str(one.name) for one in list_datapaths(again) if one.dp_ifindex == ifindex), "another")
    except (DpifError, OSError):
        return otherwise
    return f"it is port {port.number} of {owner} already"
