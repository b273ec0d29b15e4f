#!/bin/sh
# Make sure that Debian packages are installed: tools/debian-packages.sh PACKAGE...
#
# Installs what is missing by apt-get, as root or where sudo asks for no password; else says what to install and
# fails. Nothing happens when all are there. Packages that bring daemons do not start them.
set -eu

installed() {
    dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# A policy-rc.d that says 101 forbids every service action while it exists. One that was there already stays.
without_daemons() {
    policy=/usr/sbin/policy-rc.d
    if ! [ -e $policy ]; then
        trap 'rm -f $policy' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    "$@"
}

if [ "${1-}" = --as-root ]; then
    shift
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q || echo "Going on with the package lists that are here."
    without_daemons apt-get install -q -y --no-install-recommends "$@"
    exit
fi

missing=
for package; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Debian packages missing:$missing"
if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here: install what your system has for them." >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    exec "$0" --as-root $missing
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    exec sudo -n "$0" --as-root $missing
fi
echo "Please install them, as root: apt-get install --no-install-recommends$missing" >&2
exit 1
