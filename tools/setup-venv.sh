#!/bin/sh
# Make the virtual environment of this repository: tools/setup-venv.sh DIRECTORY
#
# It holds dpif itself (editable, with all extras) and the development tools named in pyproject.toml. The file
# DIRECTORY/.ready says that it is complete.
set -eu

venv=$1
is_recent='import sys; sys.exit(sys.version_info < (3, 11))'
is_complete='import venv, ensurepip'
requirements='
import tomllib
with open("pyproject.toml", "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]
    print(*groups["dev"], *groups["docs"], sep="\n")'

find_python() {
    for name in python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
        if command -v "$name" >/dev/null && "$name" -c "$is_recent" 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "dpif needs Python 3.11 or newer; python3 here is $(python3 --version 2>&1 || true)" >&2
    return 1
}

if ! "$venv/bin/python" -c "$is_recent" 2>/dev/null; then
    python=$(find_python)
    # Debian keeps the two modules in a package of its own.
    "$python" -c "$is_complete" 2>/dev/null || "${0%/*}/debian-packages.sh" python3-venv
    echo "Making the virtual environment $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi

echo "Installing dpif and what it is developed with into $venv: this takes a minute or two, once"
list=$venv/requirements-dev.txt
"$venv/bin/python" -c "$requirements" >"$list"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list" -e '.[columns,arrow]'
touch "$venv/.ready"
