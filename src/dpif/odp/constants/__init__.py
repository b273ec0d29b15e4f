"""The numbers of the datapath protocol, with the names of ``linux/openvswitch.h``.

One `IntEnum` for each uapi enum, the common prefix taken off (``OVS_KEY_ATTR_IN_PORT`` is
``KeyAttr.IN_PORT``); one `IntFlag` for each set of bits. Attributes that only user space knows (they never
reach a kernel) stand at the end of their enum, with the numbers of Open vSwitch's own copy of the header. These
files hold facts and import nothing of dpif.

To make an enum takes the interpreter as long as to read a hundred lines, and a short command needs few of them. So
there is a module for each family of messages, for keys and for actions, and this package, which has all their names,
reads them in turn until it finds the one asked for. What ``dpif show`` loads imports from the modules themselves.
"""

from __future__ import annotations

from dpif._lazy import load
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.odp.constants.actions import *
    from dpif.odp.constants.cookies import *
    from dpif.odp.constants.ct_limit import *
    from dpif.odp.constants.datapath import *
    from dpif.odp.constants.flow import *
    from dpif.odp.constants.key import *
    from dpif.odp.constants.meter import *
    from dpif.odp.constants.packet import *
    from dpif.odp.constants.vport import *
else:
    _MODULES = ("datapath", "vport", "flow", "packet", "key", "actions", "cookies", "meter", "ct_limit")

    def __getattr__(name: str) -> object:
        for module in _MODULES:
            found = vars(load(f"{__name__}.{module}"))
            if name in found:
                globals()[name] = found[name]
                return found[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
