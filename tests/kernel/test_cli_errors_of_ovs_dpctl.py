"""What ``dpif`` says on stderr starts as what ``ovs-dpctl`` says, for the commands of caches and conntrack."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator

import pytest

from dpif.cli import main
from dpif.testing.kernel import KernelHarness

COMMANDS = """\
cache-get-size nope
cache-set-size dp0 masks-cache 99999999
cache-set-size dp0 masks-cache x
cache-set-size dp0 foo 5
cache-set-size nope masks-cache 5
dump-conntrack nope
ct-stats-show nope
flush-conntrack ct_bogus=1
flush-conntrack ct_nw_src=10.0.0
flush-conntrack ct_nw_src=
flush-conntrack ct_nw_src=10.0.0.1,ct_ipv6_dst=::1
flush-conntrack ct_nw_src=10.0.0.1,ct_nw_src=10.0.0.2
flush-conntrack ct_nw_proto=999
flush-conntrack ct_tp_src=1
flush-conntrack ct_nw_proto=6,icmp_id=1
flush-conntrack nope
flush-conntrack ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2 zone=x
ct-get-limits bogus
ct-get-limits nope zone=1
ct-get-limits zone=x
ct-set-limits zone=1
ct-set-limits bogus
ct-set-limits default=x
ct-set-limits zone=70000,limit=5
ct-set-limits zone=1,limit=x
ct-set-limits zone=1,limit=5,x=3
ct-del-limits bogus
ct-del-limits dp0 zone=x
ct-bkts nope
ct-set-maxconns 5
ct-set-maxconns dp0 x
ct-get-maxconns
ct-get-nconns dp0
ct-enable-tcp-seq-chk
ct-disable-tcp-seq-chk
ct-get-tcp-seq-chk
ipf-set-enabled v4
ipf-set-enabled v5
ipf-set-disabled dp0 v6
ipf-set-min-frag v4 1000
ipf-set-min-frag v5 1000
ipf-set-min-frag dp0 v4 x
ipf-set-max-nfrags 5
ipf-set-max-nfrags x
ipf-get-status
"""


@pytest.fixture(scope="module")
def _dp0() -> Iterator[None]:
    with KernelHarness() as harness:
        harness.open("dp0", create=True)
        yield


@pytest.mark.parametrize("command", COMMANDS.splitlines())
@pytest.mark.usefixtures("_dp0")
def test_the_same_words(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = subprocess.run(["ovs-dpctl", *shlex.split(command)], capture_output=True, text=True)
    status = main(shlex.split(command))
    found = capsys.readouterr()
    assert (status, found.out) == (theirs.returncode, theirs.stdout)
    said = theirs.stderr.splitlines()[-1].removeprefix("ovs-dpctl: ")
    assert found.err.removeprefix("dpif: ").startswith(said)
