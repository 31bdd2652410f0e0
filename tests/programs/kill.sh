#!/usr/bin/env bash
# kill -9 at 20 moments spread over a run that saves often: each saved file is
# absent or whole, never half, and --resume ends with the bits of an unbroken run.
source "$(dirname "$0")/common.sh"
moments=20

settings=(--data "synthetic:classes=4,size=14,channels=1,train=64,val=32" --epochs 12)
started=$(date +%s.%N)
succeed "$train" "$small" "${settings[@]}" --out whole
seconds=$(awk -v a="$started" -v b="$(date +%s.%N)" 'BEGIN { print b - a }')

killed=0 with_checkpoint=0 with_leftover=0
for ((i = 1; i <= moments; i++)); do
    "$train" "$small" "${settings[@]}" --out "run$i" >out 2>err </dev/null &
    pid=$!
    sleep "$(awk -v s="$seconds" -v i=$i -v n=$moments 'BEGIN { print s * i / (n + 1) }')"
    kill -KILL $pid 2>/dev/null || true
    code=0
    wait $pid 2>/dev/null || code=$?
    if [[ $code == 137 ]]; then
        killed=$((killed + 1))
    else # the machine has become faster since the first run
        seconds=$(awk -v s="$seconds" 'BEGIN { print 0.8 * s }')
    fi
    for file in "run$i"/checkpoint.safetensors "run$i"/model.safetensors; do
        if [[ -e $file ]]; then succeed "$info" "$file"; fi
    done
    if compgen -G "run$i/*.tmp*" >/dev/null; then with_leftover=$((with_leftover + 1)); fi
    resume=()
    if [[ -e run$i/checkpoint.safetensors ]]; then
        resume=(--resume)
        with_checkpoint=$((with_checkpoint + 1))
    fi
    succeed "$train" "$small" "${settings[@]}" --out "run$i" "${resume[@]}"
    same_run whole "run$i"
done
# A run of a second is too short to promise which moments fall where, not that some do.
((killed >= moments / 2)) || fail "only $killed of $moments runs were killed before they ended"
((with_checkpoint >= 3)) || fail "only $with_checkpoint runs had a checkpoint when killed"
ok "kill -9 at $moments moments ($killed in time): every file whole or absent"
ok "$with_checkpoint went on from a checkpoint, $with_leftover had half a temporary file: same bits"
