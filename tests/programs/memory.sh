#!/usr/bin/env bash
# The printed memory plan: its parts add up to the arena, byte for byte, in every
# cfg, for training and for inference; and lenet.cfg stays under 700 MiB.
source "$(dirname "$0")/common.sh"

# adds_up NAME: the bytes before "arena, allocated once" in the file out.
adds_up() {
    awk '/^memory plan/ { inside = 1; next }
        inside && /arena, allocated once/ { arena = $(NF - 3); found = 1; exit }
        inside { sum += $(NF - 3); parts++ }
        END { if (!found || parts < 5 || sum != arena || sum < 1000)
                  { printf "%d parts, sum %d, arena %d\n", parts, sum, arena; exit 1 } }' out ||
        fail "$1: the parts of the plan do not add up to its arena: $(cat out)"
}

for cfg in "$source_root"/models/*.cfg "$small"; do
    for batch in 1 19 128; do
        succeed "$info" "$cfg" --channels 1 --classes 10 --batch $batch
        adds_up "$(basename "$cfg") --batch $batch"
    done
done
ok "the plan's parts add up to the arena, in every cfg at three batch sizes"

succeed "$train" "$source_root/models/lenet.cfg" --limit 512 --epochs 1 --verbose --out run
adds_up "training lenet.cfg"
peak=$(sed -nE 's/^peak resident memory ([0-9.]+) MiB$/\1/p' out)
arena=$(awk '/arena, allocated once/ { print $(NF - 1) }' out)
[[ $peak ]] || fail "no line with the peak resident memory: $(cat out)"
awk -v p="$peak" -v a="$arena" 'BEGIN { exit !(p > a) }' ||
    fail "a peak of $peak MiB is less than the arena's $arena"
if sanitized; then
    skip "the limit of 700 MiB: a sanitized build takes more"
else
    awk -v p="$peak" 'BEGIN { exit !(p < 700) }' || fail "lenet.cfg took $peak MiB, over 700"
    ok "training lenet.cfg at batch 128: $peak MiB at its peak, of which the arena is $arena"
fi
succeed "$info" run/model.safetensors
adds_up "inference with lenet.cfg"
ok "and for inference"
