"""The lab: a real Linux kernel with the openvswitch module, as an ordinary process that runs one command.

It needs neither root nor hardware help. `run` boots user-mode Linux on the host's own files in a few seconds,
runs a command there as root of *that* kernel, carries its standard streams and returns its exit status::

    from dpif import lab

    lab.run(["ovs-dpctl", "add-dp", "dp0"])
    lab.run(["python", "-m", "pytest", "-m", "kernel"], timeout=600)

What the command finds:

* its files are the host's, with the rights of the host user who called (the user id that it sees is 0 all the
  same); what it writes stays. /dev, /dev/shm and /run are the guest's own and empty; /tmp is the host's.
* its network is empty but for a loopback device that is up, and reaches nothing outside. Namespaces, veth
  pairs, TAP devices and packet sockets work. Modules that the kernel asks for load by themselves.
* its environment and its directory are the caller's, and ``DPIF_LAB=1`` is set.
* there is one CPU, and files are slow: a program that opens many should keep them in /run.

``qemu=True`` runs it on the second lane instead, an emulated machine with Debian's kernel: several CPUs, conntrack
zones, room for an ``ovs-vswitchd``, and everything some fifteen times slower, unless QEMU can use the processor
itself (KVM). /tmp is the guest's own there, but for the caller's directory. Its kernel is downloaded once, into the
user's cache directory. The second lane also stands in where user-mode Linux does not boot, unless ``qemu=False``.

``kernel`` names another kernel than that of the machine's Debian, on both lanes: 6.1, 6.12 or newest. It is
downloaded once, too, with the libc that it wants; where the archive has it no more, the next newer one is taken, and
told.

Everything goes with the command: its children, the kernel, the files that the lab itself made. ``init.sh`` is
the guest's half, `guest` what both halves share, `uml` and `qemu` the machines, `kernel` their process, `streams`
the bytes in between. `kernels`, `uml_program` and `debian_kernel` say which kernel, `archive` fetches it, `cache`
keeps it; `xstate` and `kvm` know what processors need and can do, `panics` what a kernel's last words mean.
"""

from __future__ import annotations

from dpif.lab.errors import LabFailed, LabTimeout, LabUnavailable, NotBooted
from dpif.lab.runner import packages, run

__all__ = ["LabFailed", "LabTimeout", "LabUnavailable", "NotBooted", "packages", "run"]
