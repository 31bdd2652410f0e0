#!/usr/bin/env bash
# kill_points.sh BUILD [MOST]: kill -9 at the very calls that save a run, one in each run: before
# each open, write, sync, link, rename and close, in the thread that writes and in the one that
# trains. Every model there is must be whole, and --resume must end with the bits of an unbroken run.
source "$(dirname "$0")/common.sh"
most=${2:-0}

cc -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-builtin -shared -fPIC \
    "$tests/inject/inject.c" -o inject.so -ldl || fail "inject.c does not compile"
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
if sanitized; then
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0
fi

# It saves at every second epoch, so that some of the best wait for the next save.
run_it=("$train" "$small" --data "synthetic:classes=4,size=14,channels=1,train=64,val=32" --epochs 7
    --set net.save_every=2 --val-fraction 0.25 --quiet)
succeed "$train" "${run_it[@]:1}" --out whole
succeed env INJECT_CALLS="$work/calls" LD_PRELOAD="$work/inject.so" "${run_it[@]}" --out listed
same_run whole listed
awk '$1 ~ /^(open|write|sync|link|rename|close)$/ && $3 !~ /libgomp|libopenblas|libfftw/ {
         if (++met[$2] == 1) { kind[$2] = $1; site[++n] = $2 } }
     END { for (i = 1; i <= n; i++) if (met[site[i]] > 1) print kind[site[i]], site[i] }' calls >sites
[[ $(wc -l <sites) -gt 20 ]] || fail "only $(wc -l <sites) calls that save were found"
for kind in write sync link rename; do
    grep -q "^$kind " sites || fail "no $kind among the calls that save"
done
if ((most)); then shuf -n "$most" --random-source=<(yes) sites >few && mv few sites; fi

killed=0 resumed=0
while read -r kind site; do
    for nth in 1 2; do
        rm -rf run
        code=0
        { # what bash says of a program that is killed
            env INJECT_KILL=1 INJECT_SITE="$site" INJECT_NTH=$nth LD_PRELOAD="$work/inject.so" \
                "${run_it[@]}" --out run >out 2>err </dev/null || code=$?
        } 2>/dev/null
        [[ $code == 137 || $code == 0 ]] || fail "$kind $site: exit code $code: $(cat err)"
        killed=$((killed + (code == 137)))
        for file in run/*.safetensors; do
            [[ ! -e $file ]] || succeed "$info" "$file"
        done
        resume=()
        [[ ! -e run/checkpoint.safetensors ]] || resume=(--resume)
        resumed=$((resumed + ${#resume[@]}))
        succeed "$train" "${run_it[@]:1}" --out run "${resume[@]}"
        same_run whole run
        cmp whole/model-best.safetensors run/model-best.safetensors ||
            fail "$kind $site, time $nth: another best model"
        leftovers=$(ls run | grep -E 'tmp|next' || true)
        [[ ! $leftovers ]] || fail "$kind $site, time $nth: left behind: $leftovers"
    done
done <sites
((killed)) || fail "no run was killed"
ok "killed before $killed of the calls that save ($(wc -l <sites) sites), $resumed resumed: the same bits"
