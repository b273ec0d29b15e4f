#!/bin/sh
# Run the tests that need several CPUs, conntrack zones or an ovs-vswitchd, in the lab's second lane:
# tools/qemu-lane.sh PYTHON [PYTEST-ARGS...]
#
# The kernels are those that KERNELS names ("6.1 newest" unless it does), one after the other. Only where QEMU=1 asks for
# it. Then a lane that cannot run is a failure.
set -eu

python=$1
shift

if [ "${QEMU-0}" != 1 ]; then
    echo "== Left out: tests on an emulated machine (QEMU=1 runs them)"
    exit 0
fi

# shellcheck disable=SC2046 # the packages are words
"${0%/*}/debian-packages.sh" $("$python" -m dpif.lab --qemu --packages) openvswitch-switch || {
    echo "!!! The tests on an emulated machine cannot run. QEMU=0 leaves them out." >&2
    exit 1
}

echo "== Tests of the second lane, on this host"
"$python" -m pytest -m qemu_host -ra "$@" tests/lab </dev/null

echo "== Tests on an emulated machine, in the lab's second lane"
# Files are slow there too, and its /tmp is empty: whatever pytest keeps goes to the guest's /run.
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
for kernel in ${KERNELS-6.1 newest}; do
    "$python" -m dpif.lab --qemu --cpus 2 --kernel "$kernel" --verbose --timeout 900 -- \
        "$python" -m pytest -m qemu -p no:cacheprovider --basetemp=/run/pytest -ra "$@" tests/qemu </dev/null
done
