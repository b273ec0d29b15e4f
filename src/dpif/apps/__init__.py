"""Applications on a datapath, as a library: they take an open datapath, return values and print nothing.

`switch` is an Ethernet learning switch: `Switch` runs it on any `dpif.client.Datapath`, kernel or userspace. The
command line is a thin printer over it.
"""

from __future__ import annotations

from dpif.apps.switch import Counters, Switch, SwitchOptions, run_switch

__all__ = ["Counters", "Switch", "SwitchOptions", "run_switch"]
