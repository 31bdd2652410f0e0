#!/usr/bin/env bash
# packages.sh build|test: installs the Debian packages of packages.txt that are
# missing: those for building, or with `test` all of them. Where nothing is
# missing it prints nothing and touches no network. Of those marked "optional" it
# tells what they are for where they cannot be had, and goes on.
set -euo pipefail

# missing_packages build|test KIND: those of a kind, "" or "optional".
missing_packages() {
    local name tag kind rest
    while read -r name tag kind rest; do
        [[ $name && $name != \#* && $kind == "$2" ]] || continue
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

# why_not: says why packages cannot be installed here, if so.
why_not() {
    if ! command -v apt-get >/dev/null; then
        echo "apt-get was not found"
    elif [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
        echo "installing needs root, and sudo was not found"
    fi
}

# install PACKAGE...: with the log of what went wrong on standard error.
install() {
    local log code=0 root=()
    [[ $(id -u) == 0 ]] || root=(sudo)
    log=$(mktemp)
    {
        "${root[@]}" apt-get update &&
            "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y --no-install-recommends "$@"
    } </dev/null >"$log" 2>&1 || code=1
    ((code == 0)) || tail -n 20 "$log" >&2
    rm -f "$log"
    return $code
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
mapfile -t missing < <(missing_packages "$1" "")
mapfile -t optional < <(missing_packages "$1" optional)
reason=$(why_not)

if ((${#missing[@]})); then
    [[ ! $reason ]] || give_up "$reason"
    echo "installing ${#missing[@]} packages (one or two minutes): ${missing[*]}"
    install "${missing[@]}" || give_up "apt-get failed"
fi
if ((${#optional[@]})); then
    [[ $reason ]] || echo "installing ${optional[*]} (large; tests that need it are skipped without)"
    if [[ $reason ]] || ! install "${optional[@]}"; then
        echo "without ${optional[*]}: tests that need it are skipped" >&2
    fi
fi
