#!/usr/bin/env bash
# device.sh BUILD: programs whose CUDA backend runs on the stand-in: the device is
# chosen by name, trains to what the CPU trains to, and says what it lacks.
source "$(dirname "$0")/common.sh"

# last FOLDER COLUMN: of log.csv's last row.
last() { awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i } END { print $at[name] }' "$1/log.csv"; }
# close A B TOLERANCE
close() { awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN { d = a - b; exit !(d <= t && -d <= t) }'; }

succeed "$train" "$small" --device cpu --out cpu
succeed "$train" "$small" --device cuda --out cuda
has out "device   cuda: stand-in on the host"
for column in train_loss val_loss; do
    close "$(last cpu $column)" "$(last cuda $column)" 0.002 ||
        fail "$column: cpu $(last cpu $column), cuda $(last cuda $column)"
done
ok "the CPU's losses: $(last cpu train_loss) and $(last cuda train_loss)"

succeed "$train" "$small" --out auto
has out "device   cuda: "
cmp cuda/model.safetensors auto/model.safetensors || fail "other bits in a second run"
ok "--device auto takes the GPU, and the same seed gives the same bits"

! grep -q '<th>forward' cuda/report.html || fail "the report has times of calls that only queue work"
grep -q '<th>forward' cpu/report.html || fail "the report of a run on the CPU has no times of layers"
ok "times of layers are reported where they are known"

for options in "net.subdivisions=2" "net.precision=tf32" "net.clip_norm=1" "net.bands=0.5:1,1:" \
    "net.optimizer=sgd"; do
    succeed "$train" "$small" --device cuda --epochs 2 --set "$options" --out options
    ok "trains with $options"
done
for options in "net.domain=space" "net.domain=space --set net.algorithm=oaa"; do
    # shellcheck disable=SC2086
    succeed "$train" "$source_root/models/lenet-fused.cfg" --device cuda --epochs 1 --limit 64 \
        --batch 32 --set $options --out space
    ok "trains models/lenet-fused.cfg with $options"
done

succeed "$infer" cuda/model.safetensors --data "synthetic:classes=4,size=14,channels=1,train=256,val=64" --json --device cpu
cpu=$(<out)
succeed "$infer" cuda/model.safetensors --data "synthetic:classes=4,size=14,channels=1,train=256,val=64" --json --device cuda
value() { sed -nE "s/.*\"$1\": ([0-9.]+).*/\1/p" <<<"$2"; }
close "$(value loss "$cpu")" "$(value loss "$(<out)")" 0.001 || fail "infer: $cpu and $(<out)"
ok "fcnn-infer scores alike on both"

export STAND_IN_MEMORY=$((60 << 20))
run "$train" "$small" --device cuda --batch 8192 --data "synthetic:classes=4,size=14,channels=1,train=8192,val=64" --out full
[[ $code == 1 ]] || fail "a batch too large: code $code, $(cat err)"
has err "a batch of 8192 takes" "MiB are free" "would fit"
[[ ! -e full/checkpoint.safetensors ]] || fail "a checkpoint of nothing"
fits=$(sed -nE 's/.*a batch of ([0-9]+) would fit.*/\1/p' err)
succeed "$train" "$small" --device cuda --batch "$fits" --epochs 1 \
    --data "synthetic:classes=4,size=14,channels=1,train=8192,val=64" --out fits
unset STAND_IN_MEMORY
ok "too little memory: the batch of $fits that is named does fit"

export STAND_IN_DEVICES=0
refuse 1 "" "no CUDA device was found" "$train" "$small" --device cuda --out never
succeed "$train" "$small" --epochs 1 --out without
has out "device   cpu: " "(no cuda device was found)"
ok "without a device: --device cuda says so, --device auto takes the CPU and says so"
