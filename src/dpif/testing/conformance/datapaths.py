"""Behaviour of datapaths as a whole: creating, finding, changing, deleting."""

from __future__ import annotations

import contextlib
import errno

from dpif.netlink.constants import NLM_F_ECHO
from dpif.odp.constants import DatapathCmd, DatapathFeature
from dpif.odp.messages import DatapathRecord
from dpif.testing.conformance.harness import Harness, refused, two_ports


class Datapaths:
    """``ovs_datapath``, wire.md section 3."""

    def test_a_new_datapath_is_listed_and_found(self, harness: Harness) -> None:
        made = harness.open("conf0", create=True)
        assert "conf0" in harness.datapaths()
        found = harness.open("conf0")
        assert (found.name, found.ifindex) == ("conf0", made.ifindex)
        assert str(found) == f"{found.type}@conf0"

    def test_a_new_datapath_is_empty(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        assert dp.stats()[:4] == (0, 0, 0, 0)
        assert list(dp.flows) == []
        assert [(port.number, port.name, port.type) for port in dp.ports] == [(0, "conf0", "internal")]

    def test_a_new_datapath_may_have_features_and_an_index(self, harness: Harness) -> None:
        features = DatapathFeature.UNALIGNED | DatapathFeature.VPORT_PIDS
        dp = harness.open("conf0", create=True, features=features, ifindex=4711)
        assert (dp.user_features, dp.ifindex) == (features, 4711)
        assert dp.features().ifindex
        with refused(errno.EEXIST):
            harness.open("conf1", create=True, ifindex=4711)
        with refused(errno.ERANGE):
            harness.open("conf1", create=True, ifindex=-1)
        with refused(errno.EOPNOTSUPP):
            harness.open("conf1", create=True, features=1 << 30)
        assert harness.datapaths().count("conf1") == 0

    def test_a_taken_name_is_refused(self, harness: Harness) -> None:
        harness.open("conf0", create=True)
        with refused(errno.EEXIST):
            harness.open("conf0", create=True)

    def test_the_name_of_a_device_is_taken_too(self, harness: Harness) -> None:
        host = harness.host()
        with refused(errno.EEXIST):
            harness.open(host.name, create=True)

    def test_an_empty_name_is_invalid(self, harness: Harness) -> None:
        with refused(errno.EINVAL):
            harness.open("", create=True)

    def test_a_missing_name_is_invalid(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        with refused(errno.EINVAL):
            dp.connection.transact(DatapathRecord(command=DatapathCmd.NEW, upcall_pid=0).request("no name"))
        with refused(errno.EINVAL):
            dp.connection.transact(DatapathRecord(command=DatapathCmd.NEW, name="conf1").request("no pid"))

    def test_what_is_not_there_is_not_found(self, harness: Harness) -> None:
        with refused(errno.ENODEV):
            harness.open("conf9")

    def test_a_device_is_not_a_datapath(self, harness: Harness) -> None:
        host = harness.host()
        with refused(errno.ENODEV):
            harness.open(host.name)

    def test_a_deleted_datapath_is_gone(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        dp.destroy()
        assert "conf0" not in harness.datapaths()
        with refused(errno.ENODEV):
            dp.stats()
        with refused(errno.ENODEV):
            dp.destroy()

    def test_lists_of_a_deleted_datapath_say_so(self, harness: Harness) -> None:
        """Trap T6: such a dump has no rows, and its end carries the error."""
        dp = harness.open("conf0", create=True)
        dp.destroy()
        with refused(errno.ENODEV):
            list(dp.ports)
        with refused(errno.ENODEV):
            list(dp.flows)

    def test_a_datapath_made_anew_is_another(self, harness: Harness) -> None:
        """Trap T12: a handle on the old one must not act on the new one."""
        old = harness.open("conf0", create=True)
        old.destroy()
        new = harness.open("conf0", create=True)
        assert new.ifindex != old.ifindex
        with refused(errno.ENODEV):
            old.flows.flush()

    def test_features_are_what_was_set_last(self, harness: Harness) -> None:
        """Trap T11: a change without features clears them, hence `Datapath.write` insists on them."""
        dp = harness.open("conf0", create=True)
        both = DatapathFeature.UNALIGNED | DatapathFeature.VPORT_PIDS
        dp.write(user_features=both)
        assert dp.user_features == both
        bare = DatapathRecord(command=DatapathCmd.SET, dp_ifindex=dp.ifindex)
        dp.connection.transact(bare.request("change nothing", NLM_F_ECHO))
        assert dp.user_features == 0

    def test_old_clients_clear_the_features_of_a_datapath_in_their_way(self, harness: Harness) -> None:
        """Trap T11: who speaks version 1 and finds the name taken clears them; version 2 does not."""
        dp = harness.open("conf0", create=True)
        dp.write(user_features=DatapathFeature.UNALIGNED)
        with refused(errno.EEXIST):
            harness.open("conf0", create=True)
        assert dp.user_features == DatapathFeature.UNALIGNED
        old = DatapathRecord(command=DatapathCmd.NEW, version=1, name="conf0", upcall_pid=0)
        with refused(errno.EEXIST):
            dp.connection.transact(old.request("an old client"))
        assert not dp.read().user_features

    def test_what_it_can_do_is_found_without_a_trace(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        before = dp.read()
        features = dp.features()
        assert dp.read() == before
        assert list(dp.flows) == []
        assert features.ufid
        assert features.recirc
        assert features.trunc
        assert features.clone
        assert features.set_masked
        assert features.sample_nesting >= 3
        assert features.mpls_depth >= 1
        assert features.per_cpu_dispatch
        assert features.masks_cache
        assert not features.psample or features.drop  # psample is the younger

    def test_what_it_says_it_can_do_it_does(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        features = dp.features()
        ipv4 = "in_port(1),eth(),eth_type(0x0800),ipv4()"
        for known, key, actions in (
            (features.ct_zone, f"ct_zone(1),{ipv4}", "2"),
            (features.ct_mark, f"ct_mark(0x1),{ipv4}", "2"),
            (features.psample, ipv4, "psample(group=1)"),
            (features.check_pkt_len, ipv4, "check_pkt_len(size=100,gt(1),le(2))"),
            (features.ct_clear, ipv4, "ct_clear,2"),
        ):
            with contextlib.nullcontext() if known else refused(errno.EINVAL, f"{key} {actions}"):
                dp.flows.add(key, actions)
                dp.flows.flush()

    def test_unknown_features_are_refused(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        dp.write(user_features=DatapathFeature.UNALIGNED)
        with refused(errno.EOPNOTSUPP):
            dp.write(user_features=DatapathFeature.UNALIGNED | 1 << 31)
        assert dp.user_features == DatapathFeature.UNALIGNED

    def test_per_cpu_port_ids_need_their_feature(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        reply = dp.write(user_features=DatapathFeature.DISPATCH_UPCALL_PER_CPU, per_cpu_pids=(7,))
        assert reply.per_cpu_pids == (7,)
        dp.write(user_features=0)
        assert dp.read().per_cpu_pids is None

    def test_the_mask_cache_has_a_power_of_two_entries(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        assert dp.masks_cache_size() == 256
        dp.write(user_features=0, masks_cache_size=128)
        assert dp.masks_cache_size() == 128
        with refused(errno.EINVAL):
            dp.write(user_features=0, masks_cache_size=100)
        dp.write(user_features=0, masks_cache_size=0)
        assert dp.masks_cache_size() == 0
