"""The subsystem cttimeout: policies that say how long connections live (nfnetlink_cttimeout.c)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import EINVAL

from dpif._typing import Any
from dpif.conntrack.constants import TimeoutAttr, TimeoutMsg
from dpif.conntrack.nfnetlink import HEADER_SIZE, unpack_header
from dpif.conntrack.service import NetfilterCommand
from dpif.conntrack.timeouts import TIMEOUT, KernelTimeout
from dpif.netlink.answering import Call, Refusal
from dpif.netlink.constants import NLM_F_EXCL, NLM_F_REPLACE
from dpif.userspace.engine.conntrack.timeouts import Policy, require_protocol
from dpif.userspace.engine.namespace import Namespace
from dpif.userspace.service.base import refusing


def commands(namespace: Namespace) -> Mapping[int, NetfilterCommand]:
    """Return what the subsystem can do with the policies of `namespace`."""
    subsystem = _Cttimeout(namespace)
    return {
        TimeoutMsg.NEW: NetfilterCommand(refusing(subsystem.put)),
        TimeoutMsg.GET: NetfilterCommand(refusing(subsystem.get), subsystem.dump),
        TimeoutMsg.DELETE: NetfilterCommand(refusing(subsystem.delete)),
    }


class _Cttimeout:
    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._policies = namespace.tracker.policies

    def put(self, call: Call) -> None:
        """Make a policy, or change one."""
        asked = KernelTimeout.from_payload(call.payload)
        require_protocol(asked.protocol)
        self._policies.put(
            Policy(asked.name, asked.family, asked.protocol),
            asked.data,
            may_replace=bool(call.flags & NLM_F_REPLACE),
            must_be_new=bool(call.flags & NLM_F_EXCL),
        )

    def get(self, call: Call) -> bytes:
        """Return the policy of a name."""
        name = _decode(call).get(TimeoutAttr.NAME)
        if name is None:
            raise Refusal(EINVAL, "no name of a timeout policy")
        return _payload(self._policies.get(name))

    def dump(self, call: Call) -> Iterator[bytes]:
        """Yield all policies."""
        return map(_payload, self._policies)

    def delete(self, call: Call) -> None:
        """Delete the policy of a name; without a name all that no flow uses."""
        name = _decode(call).get(TimeoutAttr.NAME)
        if name is not None:
            self._namespace.remove_policy(name)
        else:
            self._namespace.remove_policies()


def _decode(call: Call) -> Mapping[int, Any]:
    unpack_header(call.payload)
    return TIMEOUT.decode(call.payload, HEADER_SIZE).values


def _payload(policy: Policy) -> bytes:
    return KernelTimeout(policy.name, policy.family, policy.protocol, policy.seconds).to_payload()
