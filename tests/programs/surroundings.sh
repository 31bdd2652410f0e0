#!/usr/bin/env bash
# What a process inherits: signals, standard descriptors, limits of memory and stack, numbers of
# threads; and signals while there is no step to finish.
source "$(dirname "$0")/common.sh"
compare=$build/fcnn-compare
bench=$build/fcnn-bench
convert=$build/fcnn-convert
synthetic="synthetic:classes=4,size=14,channels=1,train=64,val=32"
quick=("$train" "$small" --quiet --epochs 1 --threads 1 --data "$synthetic")
endless=("$train" "$small" --quiet --epochs 1000000 --threads 1 --data "$synthetic")
succeed "${quick[@]}" --out made
model=made/model.safetensors

# until_there PID FILE: waits for the file of a program that runs.
until_there() {
    until [[ -e $2 ]]; do
        kill -0 "$1" 2>/dev/null || fail "it ended before $2: $(cat err)"
        sleep 0.02
    done
}
# ended PID: its exit code into $code.
ended() {
    code=0
    wait "$1" || code=$?
    ! grep -E 'Sanitizer|runtime error:' err >&2 || fail "a sanitizer's report"
}

# ---- Signals ----
for signal in INT TERM HUP XCPU USR1; do
    rm -rf run
    env --default-signal=$signal "${endless[@]}" --out run >out 2>err &
    pid=$!
    until_there $pid run/checkpoint.safetensors
    kill -$signal $pid
    ended $pid
    [[ $code == 130 ]] || fail "exit code $code after SIG$signal: $(cat err)"
    has err "interrupted in epoch" "--resume"
    succeed "$info" run/checkpoint.safetensors
done
ok "SIGINT, SIGTERM, SIGHUP, SIGXCPU and SIGUSR1: a checkpoint and exit code 130"

for signals in "HUP HUP HUP" "XCPU XCPU" "TERM HUP" "TERM TERM"; do
    rm -rf run
    "${endless[@]}" --out run >out 2>err &
    pid=$!
    until_there $pid run/checkpoint.safetensors
    for signal in $signals; do kill -"$signal" $pid; done
    ended $pid
    [[ $code == 130 ]] || fail "exit code $code after $signals: $(cat err)"
done
ok "signals that come together, as from a shell and the system, are one"

for signal in INT HUP TERM; do
    rm -rf run
    env --ignore-signal=$signal "${endless[@]}" --out run >out 2>err &
    pid=$!
    until_there $pid run/checkpoint.safetensors
    kill -$signal $pid
    before=$(wc -l <run/log.csv)
    until (($(wc -l <run/log.csv) > before + 50)); do
        kill -0 $pid 2>/dev/null || fail "an ignored SIG$signal ended it: $(cat err)"
        sleep 0.02
    done
    if [[ $signal == TERM ]]; then kill -HUP $pid; else kill -TERM $pid; fi
    ended $pid
    [[ $code == 130 ]] || fail "exit code $code: $(cat err)"
done
env --ignore-signal=INT "$compare" "$small" --threads 1 --epochs 1000000 --out compared >out 2>err &
pid=$!
until [[ $(echo compared/*/seed7/log.csv) != *'*'* ]]; do kill -0 $pid || fail "$(cat err)"; sleep 0.02; done
log=$(echo compared/*/seed7/log.csv)
child=$(cut -d' ' -f3 "$(dirname "$log")/.fcnn.lock")
kill -INT $pid "$child"
before=$(wc -l <"$log")
until (($(wc -l <"$log") > before + 50)); do kill -0 $pid || fail "an ignored SIGINT: $(cat err)"; sleep 0.02; done
kill -HUP $pid
ended $pid
[[ $code == 130 ]] || fail "exit code $code: $(cat err)"
has "$(dirname "$log").log" "interrupted in epoch"
ok "signals that are ignored at the start stay so, in a comparison's runs too"

# While there is nothing to finish: a folder of many files, large pictures, a lock that another has.
if command -v python3 >/dev/null; then
    python3 - <<'P'
import os, struct, zlib
def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
rows = b''.join(b'\0' + os.urandom(3 * 900) for _ in range(900))
png = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 900, 900, 8, 2, 0, 0, 0)) + \
    chunk(b'IDAT', zlib.compress(rows, 1)) + chunk(b'IEND', b'')
for c in 'ab':
    os.makedirs('large/' + c)
    open('large/%s/0.png' % c, 'wb').write(png)
    for i in range(1, 1000): os.link('large/%s/0.png' % c, 'large/%s/%d.png' % (c, i))
P
    # It takes a minute to read them all; a step is to be taken only then.
    for how in "" "--cache cache"; do
        : >out >err # what is waited for is not of an earlier command
        # shellcheck disable=SC2086
        "$train" "$small" --threads 1 --data large --val-fraction 0.5 --out unread $how >out 2>err &
        pid=$!
        until grep -q '^epochs ' out; do kill -0 $pid || fail "$(cat err)"; sleep 0.02; done
        kill -TERM $pid
        ended $pid
        [[ $code == 130 ]] || fail "exit code $code: $(cat err)"
        has err "interrupted before the first step"
        [[ ! -e unread ]] || fail "left: $(find unread)"
    done
    ok "SIGTERM while pictures are read for their mean, into a cache or not: ends at once"
else
    skip "pictures that take long to read: no python3"
fi

mkdir held
exec 9>held/.lock
flock 9
: >out >err
"${quick[@]}" --out waiting --cache held >out 2>err 9>&- &
pid=$!
until grep -q '^the cache waits for another process, which has .*held/.lock$' err; do
    kill -0 $pid || fail "it does not wait: $(cat err)"
    sleep 0.02
done
kill -TERM $pid
ended $pid
[[ $code == 130 && ! -e waiting ]] || fail "exit code $code: $(cat err)"
: >out >err
"${quick[@]}" --out waiting --cache held >out 2>err 9>&- &
pid=$!
until grep -q 'the cache waits' err; do sleep 0.02; done
exec 9>&-
ended $pid
[[ $code == 0 && $(grep -c 'the cache waits' err) == 1 ]] || fail "exit code $code: $(cat err)"
ok "a cache's lock that another has: said once, and can be interrupted"

# ---- Standard output ----
picture=$tests/images/shirt.png
printed=("$train $small --help" "$train --help-cfg" "$info --version" "$info $model" "$info $small"
    "$infer --help" "$infer $model $picture" "$infer $model $picture --csv" "$infer $model $picture --json"
    "$infer $model --data $synthetic" "$infer $model --data $synthetic --json" "$convert --help"
    "$convert $model --form spectral --out converted.safetensors" "$bench --help" "$bench conv --help" "$compare --help"
    "$compare $small --list --activation relu" "${quick[*]} --out full")
for command in "${printed[@]}"; do
    for where in /dev/full '&-'; do
        code=0
        eval "$command >$where" 2>err </dev/null || code=$?
        [[ $code == 1 ]] || fail "exit code $code from: $command >$where: $(cat err)"
        grep -q "standard output could not be written" err || fail "$command >$where: $(cat err)"
    done
done
ok "results that cannot be written, in ${#printed[@]} ways: exit code 1"

rm -rf full closed
succeed "${quick[@]}" --out whole
"${quick[@]}" --out closed --cache closed-cache <&- >&- 2>&- && fail "exit code 0 without an output"
same_run whole closed
succeed "${quick[@]}" --out again --cache closed-cache
same_run whole again
"$infer" $model "$picture" >out 2>&- <&- || fail "without an input and standard error: $?"
ok "closed descriptors: no file takes their place"

# Whoever reads ends early: a filter ends by SIGPIPE, or with a message; a training goes on.
run bash -c "'$infer' $model $(printf "'$picture' %.0s" {1..2000}) --csv --top 4 2>err | head -1; exit \${PIPESTATUS[0]}"
[[ $code == 141 || $code == 1 ]] || fail "exit code $code from a closed pipe"
run env --ignore-signal=PIPE bash -c "'$infer' $model $(printf "'$picture' %.0s" {1..2000}) --csv --top 4 2>err2 | head -1; exit \${PIPESTATUS[0]}"
[[ $code == 1 ]] || fail "exit code $code from a closed pipe"
has err2 "standard output could not be written"
run bash -c "${quick[*]} --out piped --epochs 3 2>&1 | true; exit \${PIPESTATUS[0]}"
succeed "${quick[@]}" --epochs 3 --out unpiped
same_run unpiped piped
ok "a closed pipe: a training goes on to its end"

# ---- Limits ----
if sanitized; then
    skip "limits of memory: sanitizers take all addresses"
else
    for limit in -v -d; do
        for kib in 30000 60000 90000 120000 160000 200000 250000 300000 400000 600000; do
            for command in "${quick[*]} --threads 3 --out limited" "$convert $model --form spectral --out limited.safetensors" \
                "$info $small" "$infer $model $picture"; do
                code=0
                (ulimit $limit $kib && exec timeout -s KILL 120 bash -c "exec $command") >out 2>err || code=$?
                case $code in
                0) ;;
                1 | 2 | 127) [[ -s err ]] || fail "no message with ulimit $limit $kib from: $command" ;;
                134) grep -q '^fftw: ' err || fail "it ended with ulimit $limit $kib: $(cat err)" ;;
                *) fail "exit code $code with ulimit $limit $kib from: $command: $(cat err)" ;;
                esac
            done
        done
        [[ $code == 0 ]] || fail "600 MB do not do: $(cat err)"
    done
    ok "limits of addresses and data: a message or a result, never an endless wait"
fi

for size in 16k 64k 200k; do
    OMP_STACKSIZE=$size refuse 2 "threads have a stack of ${size%k} KiB" "OMP_STACKSIZE 256" \
        "$train" "$small" --quiet --epochs 1 --threads 3 --out never
done
succeed env OMP_STACKSIZE=256k "$train" "$small" --quiet --epochs 1 --threads 3 --data "$synthetic" --out stacked
if ! sanitized; then
    # The limit is the program's alone: what checks its message needs a stack too.
    mkdir small-stacks
    for size in 40 100; do
        printf '#!/bin/bash\nulimit -s %d\nexec "%s" "$@"\n' $size "$train" >small-stacks/fcnn-train
        chmod +x small-stacks/fcnn-train
        refuse 2 "the stack is limited to $size KiB" "512" small-stacks/fcnn-train "${quick[@]:1}" --out never
    done
    (ulimit -Ss 100 && succeed "${quick[@]}" --out small-stack) || exit 1
fi
ok "stacks that are too small: said, or raised"

# ---- Threads ----
# threads COMMAND...: what the plan says that it runs on.
threads() {
    succeed "$@" "$train" "$small" --epochs 1 --data "$synthetic" --out threaded
    sed -nE 's/^device +cpu: ([0-9]+ threads?( \(by OMP_THREAD_LIMIT\))?), .*/\1/p' out
}
[[ $(threads env OMP_NUM_THREADS=3) == "3 threads" ]] || fail "OMP_NUM_THREADS: $(cat out)"
same_run whole threaded
[[ $(threads env OMP_NUM_THREADS=3 OMP_THREAD_LIMIT=2) == "2 threads" ]] || fail "OMP_THREAD_LIMIT: $(cat out)"
same_run whole threaded
[[ $(threads taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')") == "1 thread" ]] || fail "affinity: $(cat out)"
same_run whole threaded
succeed env OMP_THREAD_LIMIT=2 "$train" "$small" --epochs 1 --data "$synthetic" --out threaded --threads 4
has out "cpu: 2 threads (by OMP_THREAD_LIMIT)"
same_run whole threaded
ok "OMP_NUM_THREADS, OMP_THREAD_LIMIT and affinity are kept to, and change no bit"

# ---- Options ----
refuse 2 "unknown option -epochs (long options have two dashes: --epochs)" "--help" "$train" "$small" -epochs 2
refuse 2 "unknown option -e " "two dashes" "$train" "$small" -e 2
refuse 2 "unknown option --epohcs=2 (did you mean --epochs?)" "" "$train" "$small" --epohcs=2
refuse 2 "--quiet=1: this option takes no value" "" "$train" "$small" --quiet=1
refuse 2 "unknown option --zzzzzzzz; see --help" "" "$info" "$small" --zzzzzzzz
ok "unknown options name the one that was meant"
