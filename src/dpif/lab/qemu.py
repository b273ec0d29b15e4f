"""The lab's kernel on an emulated machine: QEMU, with as many CPUs as asked for.

For what user-mode Linux lacks: several CPUs, conntrack zones, an ``ovs-vswitchd`` that works. Everything is some
fifteen times slower where QEMU does without hardware help, as it must wherever `kvm` does not work. The kernel is
Debian's own (`debian_kernel`). Owns QEMU's command line and the initramfs
that gets the guest as far as the host's files, its root (9p, with the host user's rights). The lines of `Devices`
are virtio consoles, each made of pipes to the host.
"""

from __future__ import annotations

import lzma
import os
import shlex
import shutil
import subprocess
from pathlib import Path

from dpif.errors import ParseError
from dpif.lab import debian_kernel, kvm
from dpif.lab.debian_kernel import DebianKernel
from dpif.lab.errors import LabFailed
from dpif.lab.guest import Devices
from dpif.lab.host import GUEST_PROGRAMS, find, missing_packages, parse_memory, require_packages
from dpif.lab.kernel import Kernel, Lines
from dpif.lab.telling import Tell

__all__ = ["Qemu"]

_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    **debian_kernel.PROGRAMS,
    **GUEST_PROGRAMS,
}
#: What the guest needs before it sees the host's files, and its lines.
_EARLY_MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p")
_MAX_CPUS = 64
_EMULATED = ("-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand")

#: Process 1 until the host's files are there: whatever fails ends it, and the guest.
_EARLY_INIT = """\
#!/bin/busybox sh
set -e
trap 'busybox poweroff -f' EXIT
busybox mkdir /host
for module in {modules}; do
    busybox insmod "/modules/$module"
done
busybox mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /host
busybox mount -t devtmpfs dev /host/dev
exec busybox switch_root -c /dev/console /host {init}
"""


class Qemu:
    """A `Machine`: up in ten to thirty seconds without KVM, with `cpus` CPUs.

    `kernel` is a name of the lab's, else that of the machine's own Debian. `accelerate` False does without KVM.
    """

    name = "an emulated machine"
    devices = Devices(input="/dev/hvc0", output="/dev/hvc0", errors="/dev/hvc1", control="/dev/hvc2")
    boot_seconds = 300.0  # ten on an idle host
    hidden: tuple[str, ...] = ("/tmp",)  # an unlinked file, which is what many temporary files are, is lost on 9p

    def __init__(self, cpus: int, kernel: str | None = None, accelerate: bool = True) -> None:
        if not 1 <= cpus <= _MAX_CPUS:
            raise ParseError(f"not a number of CPUs: {cpus}", hint=f"1 to {_MAX_CPUS}")
        self._cpus = cpus
        self._name = kernel
        self._may_accelerate = accelerate
        self._kernel: DebianKernel | None = None
        #: Whether it uses KVM: known once it is prepared.
        self.accelerated = False

    def packages(self) -> set[str]:
        """Return the Debian packages that it takes on this machine."""
        return set(_PROGRAMS.values())

    def prepare(self, tell: Tell) -> Path:
        """Return the guest's directory of modules; raise `LabUnavailable` unless all is here.

        The first call ever downloads a kernel; the first since the host booted tries KVM.
        """
        require_packages(missing_packages(_PROGRAMS))
        self._kernel = debian_kernel.get(self._name, tell)
        self.accelerated = self._may_accelerate and kvm.usable(self._kernel.image)
        return self._kernel.modules_dir

    def describe(self) -> str:
        """Return what was prepared, in words."""
        assert self._kernel is not None
        how = "QEMU with KVM" if self.accelerated else "QEMU without KVM: slow"
        return f"{self.name} ({how}) of {self._cpus} CPUs, Linux {self._kernel.release}"

    def boot(self, init: Path, directory: Path, memory: str, lines: Lines) -> Kernel:
        """Start the kernel with `init` as its process 1; its own files go to `directory`."""
        debian = self._kernel
        assert debian is not None
        initramfs = _make_initramfs(init, directory, debian)
        # A port is a pair of pipes, <path>.in and <path>.out.
        ports = {
            "port0": (lines.input, lines.output),
            "port1": (None, lines.errors),
            "port2": (lines.control, None),
            "console": (None, lines.console),
        }
        arguments = [
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *(kvm.ARGUMENTS if self.accelerated else _EMULATED),
            *("-smp", str(self._cpus)),
            *("-m", f"{parse_memory(memory) >> 20}M"),
            *("-kernel", str(debian.image), "-initrd", str(initramfs)),
            *("-append", "console=ttyS0 quiet panic=-1 mitigations=off nokaslr"),
            *("-fsdev", "local,id=host,path=/,security_model=none,multidevs=remap"),
            *("-device", "virtio-9p-pci,fsdev=host,mount_tag=host"),
            *("-device", "virtio-serial-pci"),
        ]
        for name, ends in ports.items():
            _link_port(directory / name, *ends)
            arguments += ["-chardev", f"pipe,id={name},path={directory / name}"]
            arguments += (
                ["-serial", "chardev:console"] if name == "console" else ["-device", f"virtconsole,chardev={name}"]
            )
        env = {"PATH": os.defpath, "HOME": str(directory), "TMPDIR": str(directory)}
        return Kernel([str(find("qemu-system-x86_64")), *arguments], env, directory, lines)


def _link_port(path: Path, guest_reads: int | None, guest_writes: int | None) -> None:
    """Let QEMU find inherited pipes by the names that it opens."""
    for suffix, descriptor in ((".in", guest_reads), (".out", guest_writes)):
        end = path.with_suffix(suffix)
        if descriptor is None:
            os.mkfifo(end)
        else:
            end.symlink_to(f"/proc/self/fd/{descriptor}")


def _make_initramfs(init: Path, directory: Path, debian: DebianKernel) -> Path:
    """Pack the early init, its programs and modules into `directory`; return the archive."""
    modules = debian.with_dependencies(_EARLY_MODULES)
    tree = directory / "initramfs"
    for name in ("bin", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy2(str(find("busybox")), tree / "bin" / "busybox")
    for module in modules:
        (tree / "modules" / _plain_name(module)).write_bytes(_plain(module))
    names = " ".join(map(_plain_name, modules))
    script = _EARLY_INIT.format(modules=names, init=shlex.quote(str(init)))
    (tree / "init").write_text(script)
    (tree / "init").chmod(0o755)
    members = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
    archive = directory / "initramfs.cpio"
    argv = [str(find("cpio")), "--create", "--format=newc", "--quiet"]
    with archive.open("wb") as output:
        done = subprocess.run(
            argv, input=members.encode(), stdout=output, stderr=subprocess.PIPE, cwd=tree, check=False
        )
    if done.returncode:
        raise LabFailed(f"cpio: {done.stderr.decode(errors='replace').strip()}")
    shutil.rmtree(tree)
    return archive


def _plain_name(module: Path) -> str:
    return module.name.removesuffix(".xz")


def _plain(module: Path) -> bytes:
    """Return a module as the kernel loads it: newer packages have them compressed, and busybox does not know how."""
    data = module.read_bytes()
    return lzma.decompress(data) if module.suffix == ".xz" else data
