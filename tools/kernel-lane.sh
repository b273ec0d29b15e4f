#!/usr/bin/env bash
# Run the tests of the lab, then those that need its kernel inside it: tools/kernel-lane.sh PYTHON [PYTEST-ARGS...]
#
# The kernels are those that KERNELS names ("6.1 newest" unless it does), each in a lab of its own, side by side: a lab
# has one processor, most machines have two. A lane that cannot run is a failure. KERNEL=0 leaves it out, but not
# where CI=true.
set -euo pipefail

python=$1
shift

if [ "${KERNEL-1}" = 0 ]; then
    echo "!!! KERNEL=0: nothing was tested on a real kernel." >&2
    [ "${CI-}" != true ] || { echo "!!! That is a failure where CI=true." >&2 && exit 1; }
    exit 0
fi

# shellcheck disable=SC2046 # the packages are words
"${0%/*}/debian-packages.sh" $("$python" -m dpif.lab --packages) iputils-ping openvswitch-switch gcc libc6-dev || {
    echo "!!! The tests on a real kernel cannot run. KERNEL=0 leaves them out." >&2
    exit 1
}

DPIF_NEWEST_OVS=$("$python" tools/newest_ovs.py) # to compare with
export DPIF_NEWEST_OVS

# The host's caches are the host's, and files are slow in the lab: whatever pytest keeps goes to the guest's /run.
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
in_lab() {
    kernel=$1
    shift
    "$python" -m dpif.lab --kernel "$kernel" --no-qemu --verbose --timeout 2700 -- \
        "$python" -m pytest -m "kernel or root" -p no:cacheprovider --basetemp=/run/pytest -ra --durations=10 "$@" </dev/null
}

read -ra kernels <<<"${KERNELS-6.1 newest}"
if [ $# = 0 ]; then
    echo "== Tests of the lab, on this host"
    "$python" -m pytest -m lab -ra </dev/null
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
labs=()
for kernel in "${kernels[@]}"; do
    : >"$logs/$kernel" # it is there before the tail of it begins, however busy the machine
    in_lab "$kernel" "$@" >"$logs/$kernel" 2>&1 &
    labs+=($!)
done
trap 'kill "${labs[@]}" 2>/dev/null || :; rm -rf "$logs"' EXIT # a status of its own would be the script's
failed=()
for number in "${!kernels[@]}"; do
    kernel=${kernels[number]}
    echo "== Tests on a real kernel, in the lab: $kernel"
    tail -n +1 -f --pid="${labs[number]}" "$logs/$kernel"
    wait "${labs[number]}" || failed+=("$kernel")
done
# Of a long output the end is what is read, and kept: so the sums are told there once more, and what failed.
for kernel in "${kernels[@]}"; do
    echo "== In the lab, $kernel: $(sed -n 's/^dpif lab: //p' "$logs/$kernel" | tail -n 1)"
    tail -n 1 "$logs/$kernel"
done
for kernel in "${failed[@]}"; do
    echo "!!! Failed in the lab ($kernel):"
    grep -aE '^(FAILED|ERROR|E  ) ' "$logs/$kernel" || tail -n 30 "$logs/$kernel"
done
[ ${#failed[@]} = 0 ]
