#!/usr/bin/env bash
# run.sh [-b BUILD] [SECONDS] [TARGET...]: fuzzes each target for so long (15),
# as many at once as there are processors. Without -b build/fuzz is built first.
# For a night: tests/fuzz/run.sh 28800
# From an hour on all targets run at once, share the processors, give way to
# other programs, and go on after a finding.
#   BUILD/corpus/TARGET     inputs that reach something new, kept between runs
#   BUILD/findings          inputs that crash, leak, hang or take too much memory
# A line for each target tells executions, edges covered, inputs kept and
# findings, and those with the command that repeats them. Exit code 1 if there
# are any.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(dirname "$tests")
build=

if [[ ${1:-} == -b ]]; then
    build=$(cd "$2" && pwd)
    shift 2
fi
seconds=${1:-15}
shift || true
[[ $seconds =~ ^[0-9]+$ ]] || {
    echo "usage: $0 [-b BUILD] [SECONDS] [TARGET...]" >&2
    exit 2
}

if [[ ! $build ]]; then
    build=$root/build/fuzz
    mkdir -p "$build"
    {
        cmake -S "$root" -B "$build" -DCMAKE_C_COMPILER=clang -DFCNN_FUZZ=ON -DFCNN_CUDA=OFF &&
            cmake --build "$build" -j "$(nproc)"
    } >"$build/build.log" 2>&1 || {
        tail -n 40 "$build/build.log" >&2
        echo "$0: building failed, see $build/build.log" >&2
        exit 1
    }
fi

targets=("$@")
if ((!$#)); then
    for program in "$build"/tests/fuzz/fuzz_*; do
        [[ ! -x $program ]] || targets+=("${program##*/fuzz_}")
    done
fi
mkdir -p "$build/corpus" "$build/findings"

# Each target's files are in a folder of this run, which a crash cannot leave behind.
base=${TMPDIR:-/tmp}
[[ ! -w /dev/shm ]] || base=/dev/shm
TMPDIR=$(mktemp -d "$base/fcnn-fuzz-run-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# Runs of several targets may begin at once: one makes the seeds.
(
    flock 9
    [[ $build/corpus/seeds -nt $tests/fuzz/seeds.py ]] || {
        python3 "$tests/fuzz/seeds.py" "$build" "$build/corpus" && touch "$build/corpus/seeds"
    }
) 9>"$build/corpus/lock"

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:quarantine_size_mb=16:allocator_may_return_null=1:handle_abort=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1

# An input that runs for two minutes hangs; no bound is near what a sound one needs, so that a slow
# or a busy machine finds nothing that is not there.
bounds=(-timeout=120 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=16384)
at_once=$(nproc)
mode=("-seed=${FCNN_FUZZ_SEED:-0}" -print_final_stats=1) # 0: another one each time
if ((seconds >= 3600)); then
    at_once=${#targets[@]}
    mode=(-fork=1 -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1)
    renice -n 19 $$ >/dev/null
fi

# last LOG BEFORE: the last number in a log that stands behind these words, or "-".
last() { { grep -aoE "$2[0-9]+" "$1" || echo -; } | tail -n 1 | grep -oE -- '[0-9]+$|-'; }

# fuzz TARGET: one line, and what was found; fails if anything was.
fuzz() {
    local target=$1 corpus=$build/corpus/$1 log=$build/findings/$1.log status=0 before input done
    local program=$build/tests/fuzz/fuzz_$1
    mkdir -p "$corpus"
    before=$(mktemp)
    "$program" "${bounds[@]}" "${mode[@]}" "-max_total_time=$seconds" \
        "-dict=$build/corpus/$target.dict" "-artifact_prefix=$build/findings/$target-" \
        "$corpus" >"$log" 2>&1 </dev/null || status=$?
    done=$(last "$log" '^stat::number_of_executed_units: *')
    [[ $done != - ]] || done=$(last "$log" '^#')
    mapfile -t inputs < <(find "$build/findings" -name "$target-*-*" -newer "$before" | sort)
    rm -f "$before"
    printf '%-12s %10s executions  %6s edges  %5s inputs  %s findings\n' "$target" \
        "$done" "$(last "$log" 'cov: ')" \
        "$(find "$corpus" -type f | wc -l)" "${#inputs[@]}"
    ((status || ${#inputs[@]})) || return 0
    grep -ahE -m 6 'ERROR: |runtime error|: expected |last message' "$log" | cut -c 1-300 | sed 's/^/    /' ||
        tail -n 5 "$log"
    for input in "${inputs[@]}"; do
        echo "    again: $program ${bounds[*]} $input"
    done
    echo "    log: $log"
    return 1
}

failed=0 running=0
for target in "${targets[@]}"; do
    if ((running == at_once)); then
        wait -n || failed=1
        running=$((running - 1))
    fi
    fuzz "$target" &
    running=$((running + 1))
done
for ((; running; running--)); do
    wait -n || failed=1
done
exit $failed
