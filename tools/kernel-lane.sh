#!/bin/sh
# Run the tests that need a real kernel, in the lab: tools/kernel-lane.sh PYTHON [PYTEST-ARGUMENTS...]
#
# A lane that cannot run is a failure. KERNEL=0 leaves it out, but not where CI=true.
set -eu

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

# Files are slow in the lab, and the host's caches are the host's: whatever pytest keeps goes to the guest's /run.
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/run/hypothesis
exec "$python" -m dpif.lab --timeout 1500 -- \
    "$python" -m pytest -m "kernel or root" -p no:cacheprovider --basetemp=/run/pytest -ra "$@" </dev/null
