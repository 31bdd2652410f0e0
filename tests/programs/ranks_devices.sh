#!/usr/bin/env bash
# ranks_devices.sh BUILD: ranks of programs whose CUDA backend runs on the stand-in: the same bits as
# one process there, and a device for each rank while there are enough.
source "$(dirname "$0")/common.sh"
source "$tests/programs/ranks_common.sh"

four=("$train" "$small" --set net.shards=4 --threads 1)
succeed "${four[@]}" --device cuda --out one
has out "device   cuda: stand-in on the host, compute capability"
export STAND_IN_DEVICES=2
for number in 2 4; do
    succeed ranks $number "${four[@]}" --device cuda --out "ranks-$number"
    has out "device   cuda: stand-in on the host (1 of 2), compute capability"
    same_run one "ranks-$number"
    if ((number == 2)); then
        ! grep -q "share one" err || fail "two ranks have two devices: $(<err)"
    else
        has err "4 ranks have 2 devices: ranks 0 and 2 on"
        [[ $(grep -c "share one" err) == 2 ]] || fail "once, and again at the end: $(<err)"
    fi
done
succeed ranks 2 "${four[@]}" --device auto --partition-optimizer --out parts
same_run one parts
ok "1, 2 and 4 ranks on two devices: the same bits, and those that share one are told of"

STAND_IN_DEVICES=1 succeed ranks 2 "${four[@]}" --out shared
has err "2 ranks have 1 device: ranks 0 and 1 on"
same_run one shared
ok "two ranks on one device: the same bits"

# Ranks whose devices are of another kind round differently.
ONLY_ONE='export STAND_IN_DEVICES=0' run ranks 2 "${four[@]}" --out never
[[ $code == 2 && ! -e never ]] || fail "code $code: $(<err)"
has err "rank 1" "another instruction set"
ok "a rank without a device is refused"
