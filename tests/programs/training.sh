#!/usr/bin/env bash
# What a long run needs: validation every n epochs, early stopping, batches in
# parts, class weights, growing bands, --quiet, and the files a run leaves. A
# resumed run must have the bits of an unbroken one whatever of these is on.
source "$(dirname "$0")/common.sh"

# column NAME FOLDER: that column of a log, below its header, on one line.
column() {
    awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next }
        { printf("%s%s", (NR > 2 ? " " : ""), $at) }' "$2/log.csv"
}

# ---- Files ----
constant=(--threads 1 --set net.schedule=constant)
succeed "$train" "$small" "${constant[@]}" --epochs 5 --set net.validate_every=2 --out every
header=epoch,step,train_loss,train_accuracy,val_loss,val_accuracy,seconds,images_per_second
[[ $(head -n 1 every/log.csv) == "$header,val_top5,band_fraction,learning_rate" ]] ||
    fail "the log's columns: $(head -n 1 every/log.csv)"
awk -F, 'NF != 11 { exit 1 }' every/log.csv || fail "rows of other than 11 columns: $(cat every/log.csv)"
awk -F, 'NR > 1 && (($1 == 2 || $1 >= 4) != ($5 != "" && $6 != "" && $9 != "")) { exit 1 }' \
    every/log.csv || fail "expected epochs 2, 4 and 5 validated alone: $(cat every/log.csv)"
[[ $(column band_fraction every) == "1 1 1 1 1" ]] || fail "bands: $(column band_fraction every)"
[[ $(column learning_rate every) == "0.004 0.004 0.004 0.004 0.004" ]] ||
    fail "rates: $(column learning_rate every)"
[[ $(grep -c ' validation loss ' err) == 3 ]] || fail "expected 3 validated lines: $(cat err)"
# The matrix adds up to the images, its diagonal to the accuracy.
awk -F, -v want="$(tail -n 1 every/log.csv | cut -d, -f6)" 'NR == 1 { if (NF != 5) exit 1; next }
    { right += $NR; for (i = 2; i <= NF; i++) all += $i }
    END { exit !(NR == 5 && all == 64 && right == want * all) }' every/confusion.csv ||
    fail "confusion.csv: $(cat every/confusion.csv)"
has out "validation accuracy 0." "seconds: " "model: every/"
ok "validate_every=2 of 5 epochs: 2, 4 and the last; log.csv and confusion.csv"

wide=(--data "synthetic:classes=8,size=14,channels=1,train=64,val=32" --epochs 1)
succeed "$train" "$small" "${wide[@]}" --out wide
has err " top-5 "
grep -qE '^validation accuracy [01]\.[0-9]+, top-5 [01]\.[0-9]+, loss ' out || fail "top-5: $(cat out)"
grep -q top-5 every/confusion.csv && fail "top-5 of four classes"
ok "top-5 where there are more than five classes"

succeed "$train" "$small" --quiet "${constant[@]}" --epochs 5 --set net.validate_every=2 --out quiet
[[ ! -s err && $(wc -l <out) == 6 ]] || fail "--quiet: $(cat out err)"
same_run every quiet
ok "--quiet: six lines of results, the same bits"

# ---- Early stopping ----
# At a learning rate of 0, and without running statistics, every validation is the same.
patient=("${constant[@]}" --set net.learning_rate=0 --set conv[1].norm=none --set net.patience=2)
succeed "$train" "$small" "${patient[@]}" --epochs 9 --out stopped
[[ $(column epoch stopped) == "1 2 3" ]] || fail "expected a stop after epoch 3: $(cat out)"
has out "stopped after epoch 3 of 9: 2 validations" "epoch 1's"
succeed "$train" "$small" "${patient[@]}" --epochs 2 --out later
succeed "$train" "$small" "${patient[@]}" --epochs 9 --out later --resume
same_run stopped later
succeed "$train" "$small" "${patient[@]}" --epochs 9 --out later --resume
has err "stopped early"
has out "stopped after epoch 3 of 9"
same_run stopped later
ok "patience=2: stops after epoch 3, at once or resumed, and --resume says so"
refuse 2 "--set net.patience=1: " "test set --val-fraction" "$train" "$small" --out never \
    --data fashion-mnist --limit 512 --set net.patience=1
[[ ! -e never ]] || fail "a refused run left a folder"

mkdir -p pictures/boots
cp "$tests/images/ankle-boot.png" pictures/boots/1.png
cp "$tests/images/ankle-boot.png" pictures/boots/2.png
run "$train" "$small" --data pictures --epochs 1 --out single
[[ $code == 1 && ! -e single ]] || fail "a single class: exit code $code"
has err "'boots' is the only class: expected two at least"
mkdir -p pictures/shirts
cp "$tests/images/shirt.png" pictures/shirts
cp "$tests/images/ankle-boot.png" pictures/boots/3.png
succeed "$train" "$small" --data pictures --val-fraction 0.3 --epochs 1 --out pair
has err "1 of 2 classes has no validation image, 'shirts' for one"
ok "a single class is refused, and one that nothing is held out of is told"

# ---- Parts and weights ----
nonorm=("${constant[@]}" --set conv[1].norm=none --epochs 2)
succeed "$train" "$small" "${nonorm[@]}" --out batch
succeed "$train" "$small" "${nonorm[@]}" --set net.subdivisions=4 --verbose --out parts
has out "32 images in 4 parts"
grep -q "norm statistics" out && fail "norm statistics of a network without norms"
awk -F, 'function abs(x) { return x < 0 ? -x : x }
    NR == FNR { loss[$1] = $3; next }
    FNR > 1 && abs($3 - loss[$1]) > 2e-4 { exit 1 }' batch/log.csv parts/log.csv ||
    fail "4 parts: $(cat batch/log.csv parts/log.csv)"
succeed "$train" "$small" "${constant[@]}" --set net.subdivisions=4 --epochs 1 --verbose --out normed
has out "norm statistics are of a part of 8 images"
refuse 2 "$small:5: " "batch=32 subdivisions=5" "$train" "$small" --set net.subdivisions=5 --out never
for shards in 4 4:2 8; do
    succeed "$train" "$small" "${nonorm[@]}" --set net.shards=${shards%:*} --set "net.subdivisions=$([[ $shards == *:* ]] && echo "${shards#*:}" || echo 1)" --threads 2 --verbose --out "shards-$shards"
    awk -F, 'function abs(x) { return x < 0 ? -x : x }
        NR == FNR { loss[$1] = $3; next }
        FNR > 1 && abs($3 - loss[$1]) > 2e-4 { exit 1 }' batch/log.csv "shards-$shards/log.csv" ||
        fail "$shards shards: $(cat batch/log.csv "shards-$shards/log.csv")"
done
has out "32 images in 8 parts"
refuse 2 "--set net.shards=3: " "shards=3 a power of two" "$train" "$small" --set net.shards=3 --out never
refuse 2 "$small:5: " "batch=32 shards=64" "$train" "$small" --set net.shards=64 --out never
refuse 2 "$small:5: " "batch=32 shards=16 of subdivisions=4" "$train" "$small" --set net.shards=16 --set net.subdivisions=4 --out never
refuse 2 "--set net.class_weights=1,2: " "2 4" "$train" "$small" --set net.class_weights=1,2 --out never
succeed "$train" "$small" "${nonorm[@]}" --set net.class_weights=1,1,1,1 --out even
[[ $(untimed batch) == "$(untimed even)" ]] || fail "equal weights changed the run"
succeed "$train" "$small" "${nonorm[@]}" --set net.class_weights=4,1,1,1 --out uneven
[[ $(untimed batch) != "$(untimed uneven)" ]] || fail "weights changed nothing"
ok "subdivisions=4 and shards train as the whole batch does; class weights"

# ---- Everything at once, in pieces ----
all=("${constant[@]}" --set net.bands=0.5:2,0.8:1,1: --set net.subdivisions=2 --set net.patience=3
    --set net.class_weights=balanced --set net.augment_mirror=1 --set net.augment_shift=1.5
    --set net.augment_jitter=0.1 --set net.mixup=0.3)
succeed "$train" "$small" "${all[@]}" --epochs 5 --out whole
[[ $(column band_fraction whole) == "0.5 0.5 0.8 1 1" ]] || fail "$(column band_fraction whole)"
has err "epoch 1: bands 0.5, 25 of 85 input bins" "epoch 3: bands 0.8, 61 of 85 input bins" \
    "epoch 4: bands 1, 85 of 85 input bins"
has out "from epoch 3 on: bands 0.8, 61 of 85 input bins"
for epochs in 1 2 3 4 5; do
    resume=()
    ((epochs == 1)) || resume=(--resume)
    succeed "$train" "$small" "${all[@]}" --epochs $epochs --out pieces "${resume[@]}"
done
same_run whole pieces
succeed "$train" "$small" "${all[@]}" --threads 3 --epochs 5 --out threads
same_run whole threads
ok "bands, parts, weights, augmentation: an epoch at a time and on 3 threads, the same bits"
refuse 2 "whole/checkpoint.safetensors" "patience=3 patience=4" \
    "$train" "$small" "${all[@]}" --set net.patience=4 --epochs 6 --out whole --resume
succeed "$train" "$small" "${all[@]}" --cache cached --epochs 6 --out whole --resume
ok "on --resume epochs and cache may change, patience may not"

# fcnn-compare trains and scores each epoch of each variant; bands grow in frequency alone.
succeed "$build/fcnn-compare" "$small" --activation relu --domain frequency,space --epochs 3 \
    --set net.bands=0.5:1,1: --set net.validate_every=2 --set net.patience=1 --out compared
for variant in frequency/"0.5 1 1" space/"1 1 1"; do
    log=compared/relu-fourier-${variant%%/*}/seed7
    [[ $(column band_fraction "$log") == "${variant#*/}" ]] || fail "$variant: $(cat "$log/log.csv")"
    [[ $(column val_accuracy "$log") =~ ^0[^\ ]+\ 0[^\ ]+\ 0 ]] || fail "$(cat "$log/log.csv")"
done
ok "fcnn-compare of a cfg with bands, patience and rare validations"

# A rate that is too high: the message names it and what to do.
for options in "--set net.learning_rate=10000" "--set net.learning_rate=10000 --set net.clip_norm=1 --set net.optimizer=sgd --set conv[1].norm=none"; do
    # shellcheck disable=SC2086
    run "$train" "$small" $options --set net.schedule=constant --quiet --out diverged
    [[ $code == 1 ]] || fail "a rate of 10000: code $code, $(<err)"
    has err "the loss is not finite" "the learning rate of 10000" "net.learning_rate=1000," "--find-rate"
done
grep -q clip_norm err && fail "clip_norm is proposed to who has it: $(<err)"
ok "a loss that is not finite: the rate, a tenth of it and --find-rate are named"
