#!/usr/bin/env bash
# Run the tests of the lab, then those that need its kernel inside it: tools/kernel-lane.sh PYTHON [PYTEST-ARGS...]
#
# A lane that cannot run is a failure. KERNEL=0 leaves it out, but not where CI=true.
set -euo pipefail

python=$1
shift

if [ "${KERNEL-1}" = 0 ]; then
    echo "!!! KERNEL=0: nothing was tested on a real kernel." >&2
    [ "${CI-}" != true ] || { echo "!!! That is a failure where CI=true." >&2 && exit 1; }
    exit 0
fi

"${0%/*}/debian-packages.sh" user-mode-linux kmod iproute2 iputils-ping openvswitch-switch || {
    echo "!!! The tests on a real kernel cannot run. KERNEL=0 leaves them out." >&2
    exit 1
}

echo "== Tests of the lab, on this host"
"$python" -m pytest -m lab -ra "$@" </dev/null

# Files are slow in the lab, and the host's caches are the host's: whatever pytest keeps goes to the guest's /run.
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
in_lab() {
    "$python" -m dpif.lab --timeout 1500 -- \
        "$python" -m pytest -m "kernel or root" -p no:cacheprovider --basetemp=/run/pytest -ra --durations=10 "$@" </dev/null
}

echo "== Tests on a real kernel, in the lab"
if [ $# -gt 0 ]; then
    in_lab "$@"
    exit
fi
# A lab has one processor, most machines have two: what takes half of the time runs in a lab of its own meanwhile.
other_half=(tests/kernel/test_conformance.py tests/kernel/test_cli_against_ovs_dpctl.py tests/kernel/test_faults.py)
logs=$(mktemp -d)
in_lab "${other_half[@]}" >"$logs/beside" 2>&1 &
beside=$!
trap 'kill $beside 2>/dev/null || :; rm -rf "$logs"' EXIT # a status of its own would be the script's
failed=()
in_lab "${other_half[@]/#/--ignore=}" 2>&1 | tee "$logs/rest" || failed+=(rest)
wait $beside || failed+=(beside)
echo "== The other half, in a lab beside it: ${other_half[*]##*/}"
cat "$logs/beside"
# Of a long output the end is what is read, and kept: so what failed is told there once more.
for name in "${failed[@]}"; do
    echo "!!! Failed in the lab ($name):"
    grep -aE '^(FAILED|ERROR|E  ) ' "$logs/$name" || tail -n 30 "$logs/$name"
done
[ ${#failed[@]} = 0 ]
