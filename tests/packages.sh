#!/usr/bin/env bash
# packages.sh build|test: installs the Debian packages of packages.txt that are
# missing: those for building, or with `test` all of them. Where nothing is
# missing it prints nothing and touches no network.
set -euo pipefail

missing_packages() {
    local name tag rest
    while read -r name tag rest; do
        [[ $name && $name != \#* ]] || continue
        [[ $1 == build && $tag == test ]] && continue
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] ||
            echo "$name"
    done <"$(dirname "${BASH_SOURCE[0]}")/packages.txt"
}

give_up() {
    echo "$1; install these packages, or what your system calls them, and run this again:" >&2
    echo "    ${missing[*]}" >&2
    exit 1
}

case ${1:-} in
build | test) ;;
*)
    echo "usage: $0 build|test" >&2
    exit 2
    ;;
esac
if ! command -v dpkg-query >/dev/null; then
    echo "no dpkg here: assuming that the packages of tests/packages.txt are there" >&2
    exit 0
fi
mapfile -t missing < <(missing_packages "$1")
((${#missing[@]})) || exit 0

command -v apt-get >/dev/null || give_up "apt-get was not found"
root=()
if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || give_up "installing needs root, and sudo was not found"
    root=(sudo)
fi
echo "installing ${#missing[@]} packages (one or two minutes): ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
    "${root[@]}" apt-get update &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "${missing[@]}"
} </dev/null >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    give_up "apt-get failed"
}
