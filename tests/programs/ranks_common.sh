# Sourced behind common.sh by the tests of ranks: how they are started, and what they say.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_hwloc_base_binding_policy=none # ranks bound to one processor have one thread there
if sanitized; then export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0; fi # an MPI library's own

# The launcher of a library that there is a module for, or nothing.
launcher() {
    local name text
    [[ -e $build/libfcnn_$1.so ]] || return 0
    for name in "mpirun.$1" mpirun; do
        text=$("$name" --version 2>/dev/null || true)
        case $1 in
            openmpi) [[ $text == *"Open MPI"* || $text == *OpenRTE* ]] || continue ;;
            mpich) [[ $text == *HYDRA* ]] || continue ;;
        esac
        echo "$name"
        return
    done
}
openmpi=$(launcher openmpi)
mpich=$(launcher mpich)
mpirun=${openmpi:-$mpich}
if [[ ! $mpirun ]]; then
    skip "ranks: this build has no MPI module (FCNN_MPI), or there is no mpirun for it"
    exit 0
fi

# Notes its process, and changes what each rank has, or rank 1 alone.
cat >rank <<'END'
#!/bin/bash
number=${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}
echo $$ >"pid.$number"
eval "${EACH:-}"
[[ $number != 1 ]] || eval "${ONLY_ONE:-}"
exec "$@" ${MORE:-}
END
chmod +x rank

# ranks N COMMAND...
ranks() {
    local number=$1
    shift
    timeout 1200 "$mpirun" -n "$number" ./rank "$@"
}

# one_message CODE WORDS: the last command ended with this code and one line of its program's, which
# has all words.
one_message() {
    local words=$2 word line
    [[ $code == "$1" ]] || fail "expected exit code $1, got $code: $(<err)"
    line=$(grep -E '^fcnn-(train|infer): ' err) || fail "no message: $(<err)"
    [[ $(wc -l <<<"$line") == 1 ]] || fail "expected one line: $line"
    for word in $words; do [[ $line == *"$word"* ]] || fail "expected '$word': $line"; done
}

# refused WORDS N COMMAND...
refused() {
    local words=$1
    shift
    run ranks "$@"
    one_message 2 "$words"
}

# process N: that of the rank itself, where another one keeps it.
process() {
    local first kept
    first=$(<"pid.$1")
    kept=$(cat "/proc/$first/task/$first/children" 2>/dev/null)
    echo "${kept:-$first}"
}
