#!/bin/sh
# Process 1 of the lab's guest. It lies in the directory that host and guest share, beside
#
#   settings   shell variables: modules, modules_dir, hidden, kept, terminal, input, output, errors, control
#   command    a script that changes into the caller's directory and runs the caller's command
#   booted     made here at once: the kernel has come so far
#   ready      made here when the guest is up
#   status     written here when the command has ended: its exit status
#
# Whatever goes wrong before `status` is written ends the guest without it; the host then shows the last lines
# of the console, which is where this script's own output goes. Paths of the shared directory are relative,
# because the mounts below may cover the absolute ones.

cd "${0%/*}" || exit 1
: >booted
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
. ./settings

power_off() {
    sync
    echo o >/proc/sysrq-trigger
    sleep 60
}

mount_filesystems() {
    mount -t proc proc /proc
    trap power_off EXIT
    mount -t sysfs sysfs /sys
    mkdir -p /dev/pts /dev/shm /dev/net
    mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
    mount -t tmpfs -o mode=1777 shm /dev/shm
    [ -e /dev/net/tun ] || mknod -m 666 /dev/net/tun c 10 200 # opening it loads the module
    ln -sf /proc/self/fd /dev/fd
    ln -sf /proc/self/fd/0 /dev/stdin
    ln -sf /proc/self/fd/1 /dev/stdout
    ln -sf /proc/self/fd/2 /dev/stderr
    mount -t tmpfs -o mode=755 run /run
}

# The kernel's own requests for modules (a vport type, an address family) go through `modprobe` below.
load_modules() {
    mkdir -p /run/lab/lib/modules
    mount --bind "$modules_dir" /run/lab/lib/modules
    printf '#!/bin/sh\nexec modprobe -d /run/lab "$@"\n' >/run/lab/modprobe
    chmod 755 /run/lab/modprobe
    echo /run/lab/modprobe >/proc/sys/kernel/modprobe
    # IPv6 would come by itself as soon as somebody opens such a socket, and then send its own packets: always there is
    # easier to reason about. Newer kernels have it built in.
    [ -e /proc/net/if_inet6 ] || modprobe -d /run/lab ipv6
    modprobe -d /run/lab -a $modules
}

# Directories of the host that this guest has its own of; the caller's own directory shows through.
# Modules may lie there: they were bound before.
hide_directories() {
    if [ -n "$kept" ]; then
        mkdir /run/lab/kept
        mount --bind "$kept" /run/lab/kept
    fi
    for place in $hidden; do
        mount -t tmpfs -o mode=1777 hidden "$place"
    done
    if [ -n "$kept" ]; then
        mkdir -p "$kept"
        mount --bind /run/lab/kept "$kept"
        umount /run/lab/kept
    fi
}

# The host sends stdin as frames: a line with a count, then so many bytes. A count of 0 is its end.
# (A serial line has no end of file of its own that does not throw away what was not read yet.)
unframe() {
    while read -r count && [ "$count" -gt 0 ]; do
        head -c "$count" || return
    done
}

# Lines are set before the host is told that the guest is ready: until then it sends nothing.
prepare_lines() {
    exec 3<>"$input" 4<>"$output" 5<>"$errors" 6<>"$control"
    for line in "$output" "$errors" "$control"; do
        stty -F "$line" raw -echo
    done
    if [ "$terminal" = yes ]; then
        stty -F "$input" sane
    else
        stty -F "$input" raw -echo
    fi
}

# Setting a line waits until all that was written to it has left the guest.
drain() {
    stty -F "$1" opost
}

# The commands below run in a subshell, so that this shell's remark on one that a signal ended goes to the console.

# With the caller's terminal: the input line is the terminal. The control line carries its size, as stty words: at
# first when the host has handed the terminal over, then whenever it changes.
run_on_terminal() {
    read -r size <&6
    stty -F "$input" $size
    while read -r size; do
        stty -F "$input" $size
    done <&6 &
    (exec setsid -c sh ./command <"$input" >"$input" 2>&1 3>&- 4>&- 5>&- 6>&-)
    result=$?
    drain "$input"
    return $result
}

# Without: the command sees pipes, never a terminal; what it leaves running ends with it.
run_on_pipes() {
    mkfifo /run/lab/stdin /run/lab/stdout /run/lab/stderr
    unframe <"$input" >/run/lab/stdin 2>/dev/null &
    cat </run/lab/stdout >"$output" &
    relays=$!
    cat </run/lab/stderr >"$errors" &
    relays="$relays $!"
    (exec setsid sh ./command </run/lab/stdin >/run/lab/stdout 2>/run/lab/stderr 3>&- 4>&- 5>&- 6>&-)
    result=$?
    end_all_but 1 $relays
    wait $relays
    drain "$output"
    drain "$errors"
    return $result
}

# Kernel threads are in /proc as well; a signal does nothing to them.
end_all_but() {
    for process in /proc/[0-9]*; do
        process=${process#/proc/}
        case " $* " in
        *" $process "*) ;;
        *) kill -KILL "$process" ;;
        esac
    done 2>/dev/null
}

set -e
mount_filesystems
echo lab >/proc/sys/kernel/hostname
load_modules
hide_directories
ip link set lo up
prepare_lines
set +e
: >ready
if [ "$terminal" = yes ]; then
    run_on_terminal
else
    run_on_pipes
fi
echo $? >status
