# Sourced by the tests of the programs: script.sh BUILD. Makes a folder to work
# in, removed at the end, and the checks that they share. A check that fails ends
# the script; a line a check says what was shown.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source_root=$(dirname "$tests")
build=$(cd "${1:?usage: $0 BUILD}" && pwd)
small=$tests/programs/small.cfg
train=$build/fcnn-train
infer=$build/fcnn-infer
info=$build/fcnn-info

# Threads that wait must not spin: these runs are short, and other tests run beside them.
export OMP_WAIT_POLICY=passive

work=$(mktemp -d "${TMPDIR:-/tmp}/fcnn-programs-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

ok() { echo "ok    $*"; }
skip() { echo "skip  $*"; }
fail() {
    echo "FAIL  $*" >&2
    exit 1
}

# A setting of the build's CMake cache.
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
sanitized() { [[ $(cached FCNN_SANITIZE) =~ ^(ON|TRUE|1|YES)$ ]]; }

# run COMMAND...: standard output into out, standard error into err, exit code into $code.
run() {
    code=0
    "$@" >out 2>err </dev/null || code=$?
    if grep -qE 'Sanitizer|runtime error:' err; then
        cat err >&2
        fail "a sanitizer's report from: $*"
    fi
}

# succeed COMMAND...
succeed() {
    run "$@"
    [[ $code == 0 ]] && return
    cat err >&2
    fail "exit code $code from: $*"
}

# interrupt DELAY CONDITION COMMAND...: sends SIGINT so many seconds after the bash condition has
# become true. $code is the exit code, also of a command that ended before.
interrupt() {
    local delay=$1 condition=$2 pid
    shift 2
    : >out >err # nothing of an earlier command may fulfil the condition
    # A script's jobs in the background ignore SIGINT, and programs keep to that.
    env --default-signal=INT "$@" >out 2>err </dev/null &
    pid=$!
    until eval "$condition" || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    sleep "$delay"
    kill -INT $pid 2>/dev/null || true
    code=0
    wait $pid || code=$?
    ! grep -E 'Sanitizer|runtime error:' err >&2 || fail "a sanitizer's report"
}

# stop_within FOLDER WHEN WANTED COMMAND...: interrupts after the condition WHEN until the message
# of the stop has $epoch, $step and $steps as the arithmetic condition WANTED says, each time from
# the same files. Nobody knows the speed of this machine now: a stop that comes too early is tried
# again later, one that comes too late sooner.
delay=0.05
stop_within() {
    local folder=$1 when=$2 wanted=$3 try factor
    shift 3
    rm -rf before
    if [[ -e $folder ]]; then cp -r "$folder" before; fi
    for ((try = 0; try < 200; try++)); do
        interrupt "$delay" "$when" "$@"
        read -r epoch step steps < <(sed -nE \
            's/^interrupted in epoch ([0-9]+) after step ([0-9]+) of ([0-9]+);.*/\1 \2 \3/p' err) ||
            epoch='' step=0 steps=0
        if [[ $epoch ]] && ((wanted)); then
            [[ $code == 130 ]] || fail "exit code $code after Ctrl-C, expected 130"
            return
        fi
        factor=0.6
        if [[ $epoch ]] && ((step < steps)); then factor=1.5; fi
        delay=$(awk -v d="$delay" -v f=$factor 'BEGIN { print d * f }')
        rm -rf "$folder"
        if [[ -e before ]]; then cp -r before "$folder"; fi
    done
    fail "$try interruptions, none where '$wanted': $(cat err)"
}

# has FILE WORD...: every word, as it is, somewhere in the file.
has() {
    local file=$1 word
    shift
    for word in "$@"; do
        grep -qF -- "$word" "$file" || fail "expected '$word' in: $(cat "$file")"
    done
}

# refuse CODE START "WORDS" COMMAND...: the command ends with this code and one line of
# standard error, "program: START...", that has each of the words after START.
refuse() {
    local wanted=$1 start=$2 words=$3 program lines message word
    shift 3
    program=$(basename "$1")
    run "$@"
    [[ $code == "$wanted" ]] || fail "expected exit code $wanted, got $code from: $*: $(cat err)"
    lines=$(wc -l <err)
    [[ $lines == 1 ]] || fail "expected one line, got $lines from: $*: $(cat err)"
    message=$(<err)
    [[ $message == "$program: $start"* ]] ||
        fail "expected '$program: $start...' from: $*: $message"
    message=${message#"$program: $start"}
    for word in $words; do
        [[ $message == *"$word"* ]] || fail "expected '$word' from: $*: $message"
    done
}

# The columns of a log.csv that depend on the run's inputs alone.
untimed() { cut -d, -f1-6,9- "$1/log.csv"; }

# same_run A B: the same weights and losses by step, bit for bit, and the same log but for times.
same_run() {
    cmp "$1/model.safetensors" "$2/model.safetensors" || fail "$1 and $2: the weights differ"
    cmp "$1/steps.csv" "$2/steps.csv" || fail "$1 and $2: the losses by step differ"
    [[ $(untimed "$1") == "$(untimed "$2")" ]] ||
        fail "$1 and $2: the logs differ: $(diff <(untimed "$1") <(untimed "$2"))"
}

# weights FOLDER: the numbers of its model, without the metadata, which name the data's path.
weights() {
    python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
sys.stdout.buffer.write(data[8 + int.from_bytes(data[:8], "little"):])' "$1/model.safetensors"
}

# same_training A B: as same_run, for data at two paths.
same_training() {
    cmp <(weights "$1") <(weights "$2") || fail "$1 and $2: the weights differ"
    [[ $(untimed "$1") == "$(untimed "$2")" ]] ||
        fail "$1 and $2: the logs differ: $(diff <(untimed "$1") <(untimed "$2"))"
}
