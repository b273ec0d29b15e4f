"""A datapath: ports, a flow table, and what happens to a packet between them (``struct datapath``).

This is the kernel's net/openvswitch/datapath.c without its messages: packets come from ports, flows are put and
deleted by key and mask in flat form with their actions, packets that no flow matches go up as upcalls. Requests
that the kernel refuses raise `OSError` with the kernel's errno. Ports are attached and detached by the
`Namespace` that the datapath is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from errno import EEXIST, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP, ERANGE

from dpif._typing import TYPE_CHECKING, Any, Final, TypeAlias
from dpif.odp.actions import Actions, Output
from dpif.odp.constants import DP_MAX_PORTS, DatapathFeature, PacketCmd
from dpif.odp.extraction import extract_flat
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import TCP_FLAGS
from dpif.userspace.engine.execute import compile_actions
from dpif.userspace.engine.fingerprint import fingerprint
from dpif.userspace.engine.frame import NO_CUT, Frame
from dpif.userspace.engine.hashing import packet_hash
from dpif.userspace.engine.meters import MeterTable
from dpif.userspace.engine.port import Port
from dpif.userspace.engine.processor import ActionError, Step
from dpif.userspace.engine.refusal import refusal
from dpif.userspace.engine.table import Flow, FlowTable
from dpif.userspace.engine.upcall import Upcall

if TYPE_CHECKING:
    from dpif.userspace.engine.namespace import Namespace

NR_CPU_IDS: Final = 1
"""This datapath has one processor, so a port has one upcall port id."""
DEFAULT_MASKS_CACHE_SIZE: Final = 256
MAX_MASKS_CACHE_SIZE: Final = 4096
"""What the kernel has room for (PCPU_MIN_UNIT_SIZE by the size of an entry)."""
SUPPORTED_FEATURES: Final = int(  # a number, since the complement of a flag has known bits only
    DatapathFeature.UNALIGNED | DatapathFeature.VPORT_PIDS | DatapathFeature.DISPATCH_UPCALL_PER_CPU
)
MAX_UPCALL_PACKET: Final = 0xFFFF - 4
"""Bytes of a packet that fit an attribute."""
RECENT_MAX: Final = 32768
"""How many fingerprints are remembered of each port's packets."""


class Program:
    """A flow's actions, as they were given and ready to be carried out.

    ``outputs`` are the numbers of the ports that a packet goes to when nothing else happens to it, None when
    something does. A program of encoded actions, of which it is known that they are taken, is made ready when the
    first packet needs it: of many flows none comes.
    """

    __slots__ = ("_datapath", "_encoded", "actions", "outputs", "steps")
    actions: Actions
    steps: tuple[Step, ...]
    outputs: tuple[int, ...] | None

    def __init__(self, actions: Actions | bytes, datapath: Datapath) -> None:
        self._datapath = datapath
        if isinstance(actions, bytes):
            self._encoded = actions
            return
        self.actions = actions
        self._make_ready()

    def _make_ready(self) -> None:
        actions = self.actions
        outputs = tuple([action.port for action in actions if isinstance(action, Output)])
        self.steps = compile_actions(actions, self._datapath)
        self.outputs = outputs if len(outputs) == len(actions) else None

    def __getattr__(self, name: str) -> Any:
        """Make what is missing, and say it; asked for no second time."""
        if name == "actions":
            self.actions = Actions.from_bytes(self._encoded)
        elif name in ("steps", "outputs"):
            self._make_ready()
        else:
            raise AttributeError(name)
        return getattr(self, name)


DatapathFlow: TypeAlias = Flow[Program]


class Datapath:
    """One datapath of a `Namespace`, which gives it life and its ``local`` port.

    ``ports`` holds its ports by number, ``table`` its flows, ``meters`` its meters.

    What was found for a packet is remembered for those that are like it (`fingerprint`), until its flow is removed;
    as with the kernel's cache of masks, a flow that comes to overlap gets none of these. A ``masks_cache_size`` of 0
    switches that off; otherwise it is kept for those who ask.

    ``n_answers`` counts the actions that user space gives: of flows that it puts, of packets that it sends.
    """

    local: Port

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.processor = namespace.processor
        self.rules = namespace.rules
        self.clock: Callable[[], float] = namespace.clock
        self.ports: dict[int, Port] = {}
        self.table: FlowTable[Program] = FlowTable()
        self.meters = MeterTable()
        self.features = DatapathFeature(0)
        self.masks_cache_size = DEFAULT_MASKS_CACHE_SIZE
        self.per_cpu_port_ids: tuple[int, ...] = ()
        self.n_hit = 0
        self.n_cache_hit = 0
        self.n_missed = 0
        self.n_lost = 0
        self.n_answers = 0

    @property
    def name(self) -> str:
        """The name of the datapath, which is that of its local port."""
        return self.local.name

    @property
    def ifindex(self) -> int:
        """The number of the datapath, which is that of its local port's device."""
        return self.local.device.ifindex

    @property
    def n_mask_hit(self) -> int:
        """Masks that were tried for all packets together; for one that is like another it is that one's."""
        return self.table.n_mask_hit + self.n_cache_hit

    # Settings.

    def change(
        self,
        features: int | None,
        masks_cache_size: int | None = None,
        per_cpu_port_ids: Sequence[int] | None = None,
    ) -> None:
        """Change settings as ovs_dp_change does: no features means that all are switched off."""
        wanted = features or 0
        if wanted & ~SUPPORTED_FEATURES:
            raise refusal(EOPNOTSUPP, f"unknown datapath features {wanted & ~SUPPORTED_FEATURES:#x}")
        if masks_cache_size is not None:
            self._resize_masks_cache(masks_cache_size)
        self.features = DatapathFeature(wanted)
        if per_cpu_port_ids is not None and wanted & DatapathFeature.DISPATCH_UPCALL_PER_CPU:
            if not per_cpu_port_ids:
                raise refusal(EINVAL, "an empty list of upcall port ids")
            self.per_cpu_port_ids = tuple(per_cpu_port_ids)
        self.namespace.on_listeners_changed()

    def _resize_masks_cache(self, size: int) -> None:
        if size > MAX_MASKS_CACHE_SIZE:
            raise refusal(ERANGE, f"a masks cache has at most {MAX_MASKS_CACHE_SIZE} entries")
        if size & (size - 1):
            raise refusal(EINVAL, "the size of the masks cache is not a power of two")
        self.masks_cache_size = size
        if not size:
            for port in self.ports.values():
                port.recent.clear()

    # Flows.

    def put_flow(self, key: int, mask: int, ufid: bytes | None, program: Program, *, exclusive: bool) -> DatapathFlow:
        """Make a flow or give an existing one new actions, by the rules of ovs_flow_cmd_new; return the flow.

        EEXIST when `exclusive` and any flow matches `key`; ENOENT when another flow than the one named does; ENOMEM
        when there are as many flows or masks as there may be.
        """
        flow = self.table.find_ufid(ufid) if ufid is not None else None
        if flow is None:
            flow = self.table.find(key)
        if flow is None:
            self._require_room(mask)
            flow = Flow(key, mask, ufid, program)
            self.table.insert(flow)
            return flow
        if exclusive:
            raise refusal(EEXIST, "a flow that matches the same packets is there already")
        if not flow.is_for(key):
            flow = self.table.find_exact(key) if flow.ufid is None else None
            if flow is None:
                raise refusal(ENOENT, "another flow overlaps, and there is none with exactly this key")
        flow.program = program
        return flow

    def _require_room(self, mask: int) -> None:
        limits = self.namespace.limits
        if len(self.table) >= limits.flows:
            raise refusal(ENOMEM, f"a datapath has room for {limits.flows} flows")
        if self.table.n_masks >= limits.masks and not self.table.has_mask(mask):
            raise refusal(ENOMEM, f"a datapath has room for {limits.masks} different masks")

    def find_flow(self, key: int | None, ufid: bytes | None) -> DatapathFlow:
        """Return the flow with this UFID, or else this unmasked key; ENOENT when there is none."""
        flow: DatapathFlow | None = None
        if ufid is not None:
            flow = self.table.find_ufid(ufid)
        elif key is not None:
            flow = self.table.find_exact(key)
        if flow is None:
            raise refusal(ENOENT, "there is no such flow")
        return flow

    def compile(self, actions: Actions | bytes) -> Program:
        """Make actions ready to be carried out, encoded ones later; EINVAL for one that this datapath cannot do."""
        self.n_answers += 1
        return Program(actions, self)

    # Packets.

    def receive(self, port: Port, packet: bytes, tunnel: int = 0) -> None:
        """Carry a packet that came in through `port`, by a tunnel with that flat key (ovs_vport_receive)."""
        size = len(packet)
        port.received_packets += 1
        port.received_bytes += size
        print_ = None if tunnel else fingerprint(packet)  # which does not tell tunnels apart
        found = port.recent.get(print_)
        if found is None or not found[0].in_table:
            self._receive_unknown(port, packet, print_, tunnel)
            return
        flow, key = found
        self.n_cache_hit += 1
        self.n_hit += 1
        flow.count(size, key & TCP_FLAGS, self.clock())
        outputs = flow.program.outputs
        if outputs is None:
            self._carry_out(flow, Frame(packet, key, port))
            return
        for number in outputs:
            output = self.ports.get(number)
            if output is not None:
                output.send(packet)

    def _receive_unknown(self, port: Port, packet: bytes, print_: bytes | None, tunnel: int = 0) -> None:
        """Look up a packet by its key, and remember what was found by its fingerprint."""
        try:
            key = extract_flat(packet, port.metadata | tunnel, self.rules)
        except RuleBroken:
            port.rx_errors += 1
            return
        flow = self.process(Frame(packet, key, port))
        if flow is not None and print_ is not None and self.masks_cache_size:
            if len(port.recent) >= RECENT_MAX:
                port.recent.clear()
            port.recent[print_] = flow, key

    def process(self, frame: Frame) -> DatapathFlow | None:
        """Do with a packet what the flow table says (ovs_dp_process_packet); return the flow that it matched."""
        key = frame.key
        flow = self.table.lookup(key)
        if flow is None:
            self.n_missed += 1
            frame.cut = NO_CUT
            self.upcall(frame, PacketCmd.MISS, self._miss_port_id(frame))
            return None
        self.n_hit += 1
        flow.count(len(frame), key & TCP_FLAGS, self.clock())
        self._carry_out(flow, frame)
        return flow

    def _carry_out(self, flow: DatapathFlow, frame: Frame) -> None:
        try:
            self.processor.execute(flow.program.steps, frame)
        except ActionError:
            return  # the packet is dropped; the kernel logs that when told to debug

    def execute(self, frame: Frame, program: Program) -> None:
        """Carry out actions on a packet that user space sends; `OSError` with the errno of a failed action."""
        try:
            self.processor.call(lambda: self.processor.execute(program.steps, frame))
        except ActionError as error:
            raise refusal(error.errno, "an action failed") from None

    # Upcalls.

    def _miss_port_id(self, frame: Frame) -> int:
        if self.features & DatapathFeature.DISPATCH_UPCALL_PER_CPU:
            return self.per_cpu_port_id
        port_ids = frame.port.upcall_port_ids
        return port_ids[0] if len(port_ids) == 1 else port_ids[packet_hash(frame) % len(port_ids)]

    @property
    def per_cpu_port_id(self) -> int:
        """The upcall port id of the only processor; 0 when none was given."""
        return self.per_cpu_port_ids[0] if self.per_cpu_port_ids else 0

    def upcall(
        self,
        frame: Frame,
        command: PacketCmd,
        port_id: int,
        userdata: bytes | None = None,
        actions: Actions | None = None,
        egress_tunnel: int = 0,
    ) -> None:
        """Send a packet up; what nobody takes is counted as lost (ovs_dp_upcall).

        Whom the packet itself names gets it, else `port_id`. The port that it came from counts it too, but where no
        receiver is named.
        """
        port_id = frame.upcall_pid or port_id
        length = len(frame)
        packet = frame.data[: frame.cut]  # of which, unlike in an output, a VLAN tag is a part
        cut_from = length if len(packet) < length else None
        taken = False
        if port_id and len(packet) <= MAX_UPCALL_PACKET:
            upcall = Upcall(
                self,
                command,
                port_id,
                packet,
                frame.key,
                packet_hash(frame),
                frame.mru,
                cut_from,
                userdata,
                actions,
                egress_tunnel,
            )
            taken = self.namespace.upcall_sink(upcall)
        if port_id:
            frame.port.count_upcall(taken)
        if not taken:
            self.n_lost += 1

    def free_port_number(self) -> int:
        """Return the lowest number from 1 that no port has; it is `DP_MAX_PORTS` when all are taken."""
        return next((number for number in range(1, DP_MAX_PORTS) if number not in self.ports), DP_MAX_PORTS)
