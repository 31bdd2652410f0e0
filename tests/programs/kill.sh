#!/usr/bin/env bash
# kill -9 at 20 moments spread over a run that saves often: each saved file is
# absent or whole, never half, and --resume ends with the bits of an unbroken run.
source "$(dirname "$0")/common.sh"
moments=20

settings=(--data "synthetic:classes=4,size=14,channels=1,train=64,val=32" --epochs 12
    --set net.save_every=1)
succeed "$train" "$small" "${settings[@]}" --out whole

with_checkpoint=0 with_leftover=0
for ((i = 1; i <= moments; i++)); do
    # Each run is killed half an epoch later than the one before. A run that has ended by then is
    # repeated and killed an epoch sooner, and in the end at once.
    for ((epochs = i / 2; ; epochs--)); do
        rm -rf "run$i"
        "$train" "$small" "${settings[@]}" --out "run$i" >out 2>err </dev/null &
        pid=$!
        until ((epochs <= 0)) || ! kill -0 $pid 2>/dev/null ||
            [[ -e run$i/log.csv && $(wc -l <"run$i/log.csv") -gt $epochs ]]; do
            sleep 0.01
        done
        sleep "0.0$((i % 5))"
        kill -KILL $pid 2>/dev/null || true
        code=0
        wait $pid 2>/dev/null || code=$?
        [[ $code != 137 ]] || break
    done
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
((with_checkpoint >= 3)) || fail "only $with_checkpoint runs had a checkpoint when killed"
ok "kill -9 at $moments moments: every file whole or absent"
ok "$with_checkpoint went on from a checkpoint, $with_leftover had half a temporary file: same bits"
