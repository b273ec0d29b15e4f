"""What the kernel's rules say when they are broken, and which rules a kernel has.

A kernel refuses a flow with a bare EINVAL. The modules beside this one (`match.py` for keys and masks,
`check.py` for actions, `extraction` for packets) follow the same rules in the same order and raise
`RuleBroken` in its place, which names the rule and says what to do. This file knows no rule itself.
"""

from __future__ import annotations

import errno as _errno

from dpif._typing import Final, NamedTuple
from dpif.errors import DpifError, EncodeError, brief
from dpif.odp.constants import ActionAttr


class RuleBroken(DpifError):
    """The kernel refuses this key, mask, action list or packet.

    ``errno`` (positive) is what the kernel answers, ``rule`` a short stable name such as
    ``missing-attribute``, ``explanation`` one sentence that names what is wrong and what to do about it.
    """

    def __init__(self, rule: str, explanation: str, errno: int = _errno.EINVAL) -> None:
        self.errno = errno
        self.rule = rule
        self.explanation = explanation
        super().__init__(f"{explanation} [{rule}]")


class Features(NamedTuple):
    """What a datapath was built with or is new enough for; what is left out is as in the newest kernel.

    ``ct_zones``, ``ct_timeout`` and ``nat`` are build options of the kernel's conntrack
    (``CONFIG_NF_CONNTRACK_ZONES``, ``CONFIG_NF_CONNTRACK_TIMEOUT``, ``CONFIG_NF_NAT``); ``newest_action`` is the
    highest action number that it knows; ``hash_sym_l4`` whether ``OVS_HASH_ALG_SYM_L4`` is accepted; ``nesting``
    how deep action lists may lie in one another; ``ct_helpers`` the names of its conntrack helpers, None where
    they are not known and any is taken for one.

    Two say whether mistakes in reading IPv6 extension headers were corrected, as in late stable releases of each
    kernel: ``ah_follows_fragment``, that an authentication header is in sequence behind a fragment header (and
    not behind another one of its own kind); ``exthdrs_must_fit``, that no protocol is found behind an extension
    header that is longer than the packet.

    ``strict_userspace`` says that ``userspace(…)`` has no attribute that is not known.

    Others are no rules for keys and actions, but what else the datapath in user space goes by: ``upcall_stats``, that
    ports count their upcalls; ``upcall_pid``, that a packet may name who gets its upcalls; ``clashes_match``, that of
    two connections that clash the second becomes the first only if both are between the same ends; ``icmp_clashes``,
    that ICMP packets may clash so at all; ``dnat_in_order``, that a destination gets the first port that is free, not
    any; ``full_is_invalid``, that a packet is invalid (EINVAL) for whose connection there is no room, not without an
    object (ENOENT).
    """

    ct_zones: bool = True
    ct_timeout: bool = True
    nat: bool = True
    newest_action: int = ActionAttr.PSAMPLE
    hash_sym_l4: bool = True
    nesting: int = 16
    ct_helpers: frozenset[str] | None = None
    ah_follows_fragment: bool = True
    exthdrs_must_fit: bool = True
    upcall_stats: bool = True
    upcall_pid: bool = True
    strict_userspace: bool = True
    clashes_match: bool = True
    icmp_clashes: bool = True
    dnat_in_order: bool = True
    full_is_invalid: bool = True


WITH_ZONES: Final = "'dpif lab --qemu' boots one that has them"
"""How to get a kernel with conntrack zones, which that of user-mode Linux has not."""


def no_zones(rule: str, what: str) -> RuleBroken:
    """Return that `what` needs conntrack zones, which the kernel was built without."""
    lacks = "this kernel was built without conntrack zones (CONFIG_NF_CONNTRACK_ZONES)"
    return RuleBroken(rule, f"{lacks}, and refuses {what}; {WITH_ZONES}")


NEWEST = Features()
"""Linux 7.2 with every conntrack option, as distributions build it."""
LINUX_6_12 = NEWEST._replace(upcall_pid=False, strict_userspace=False, icmp_clashes=False)
LINUX_6_1 = Features(
    newest_action=ActionAttr.DEC_TTL,
    hash_sym_l4=False,
    ah_follows_fragment=False,
    exthdrs_must_fit=False,
    upcall_stats=False,
    upcall_pid=False,
    strict_userspace=False,
    clashes_match=False,
    icmp_clashes=False,
    dnat_in_order=False,
    full_is_invalid=False,
)
KERNELS = {"6.1": LINUX_6_1, "6.12": LINUX_6_12, "newest": NEWEST}
"""By the names of kernels that the lab has, too."""


def features_of(kernel: str) -> Features:
    """Return what the kernel of this name has; raise `EncodeError` for one that is not in `KERNELS`."""
    if kernel not in KERNELS:
        raise EncodeError(f"no kernel {brief(kernel)} is known here; there are {', '.join(KERNELS)}")
    return KERNELS[kernel]
