#!/usr/bin/env bash
# Growing bands and inference on fewer bins: the phases of a run, Ctrl-C and
# --resume in each, models saved in one, and norms estimated for the bins used.
source "$(dirname "$0")/common.sh"

data="synthetic:classes=4,size=14,channels=1,train=2048,val=64"
grow=(--data "$data" --set "net.bands=0.5:1,1:" --epochs 2)

json() { python3 -c "import json; r = json.load(open('out')); print($1)"; }

# ---- Training ----

succeed "$train" "$small" "${grow[@]}" --out whole
has err "epoch 1: bands 0.5, 25 of 85 input bins" "epoch 2: bands 1, 85 of 85 input bins"
has out "from epoch 1 on: bands 0.5" "from epoch 2 on: bands 1, 85 of 85"
[[ $(cut -d, -f10 whole/log.csv | xargs) == "band_fraction 0.5 1" ]] ||
    fail "the log's fractions: $(cat whole/log.csv)"
succeed "$train" "$small" --data "$data" --epochs 2 --out full
[[ $(untimed full) != "$(untimed whole)" ]] || fail "the first epoch's cut changed nothing"
ok "an epoch on half of every radius, then one on all"

# stop_in EPOCH COMMAND...: SIGINT between two steps of that epoch's phase.
stop_in() {
    stop_within whole_stopped "grep -qF 'epoch $1: bands' err" "epoch == $1 && step > 0 && step < steps" \
        "${@:2}" --out whole_stopped
    ok "Ctrl-C in epoch $epoch after step $step of $steps"
}

stop_in 1 "$train" "$small" "${grow[@]}"
cp -r whole_stopped first_phase
stop_in 2 "$train" "$small" "${grow[@]}" --resume
succeed "$train" "$small" "${grow[@]}" --out whole_stopped --resume
has err "epoch 2: bands 1"
same_run whole whole_stopped
succeed "$train" "$small" "${grow[@]}" --out first_phase --resume
has err "epoch 1: bands 0.5" "epoch 2: bands 1"
same_run whole first_phase
ok "resumed in either phase, and in both: the bits of the run never stopped"

# ---- What fcnn-info shows ----

succeed "$info" "$small" --set "net.bands=0.5:1,0.7:2,1:"
has out "85 of 85, = 13 px" "from epoch 1 on: bands 0.5, 25 of 85" \
    "from epoch 2 on: bands 0.7, 41 of 85" "from epoch 4 on: bands 1, 85 of 85"
arena() { awk '/arena/ { print $(NF - 3) }' out; }
uncut=$(arena)
succeed "$info" "$small" --band-fraction 0.5
has out "25 of 85, = 7 px" "every radius cut to 0.5"
(($(arena) < uncut)) || fail "the cut network takes $(arena) bytes, the whole one $uncut"
ok "fcnn-info: a line a phase, and --band-fraction's table"

for program in "$info" "$train"; do
    refuse 2 "--set net.bands" "phase 2 smaller fraction:epochs" \
        "$program" "$small" --set "net.bands=0.7:1,0.4:"
    refuse 2 "--set net.bands" "domain=space" \
        "$program" "$small" --set "net.bands=0.5:1,1:" --set net.domain=space
done
sed 's/^seed=7/bands=0.5:1/' "$small" >bad.cfg
refuse 2 "bad.cfg:$(grep -n bands bad.cfg | cut -d: -f1): " "bands=0.5:1 colon" "$info" bad.cfg
ok "bands that cannot be: refused with what was expected"

# ---- Inference on fewer bins ----

score() { succeed "$infer" "$@" --data "$data" --json; }
model=whole/model.safetensors
score $model
cp out uncut
has uncut '"band_fraction": 1'
[[ ! -s err ]] || fail "nothing to tell, and yet: $(cat err)"
score $model --band-fraction 0.5
cp out cut
has err "warning: the norms' running statistics" "--norm-data" "25 of 85"
[[ $(json 'r["band_fraction"]') == 0.5 ]] || fail "$(cat out)"
score $model --band-fraction 0.5 --norm-data "$data"
! grep warning err || fail "estimated norms need no warning"
[[ $(json 'r["loss"]') != $(python3 -c 'import json; print(json.load(open("cut"))["loss"])') ]] ||
    fail "--norm-data changed nothing"
estimated=$(json '[r[k] for k in ("accuracy", "loss")]')
score $model --band-fraction 0.5 --norm-data "$data" --threads 3
[[ $(json '[r[k] for k in ("accuracy", "loss")]') == "$estimated" ]] ||
    fail "other threads, other norms: $(cat out)"
succeed "$infer" $model "$tests/images/shirt.png" --band-fraction 0.5 --norm-data "$data"
! grep warning err || fail "estimated norms need no warning"
has err "25 of 85"
[[ $(wc -l <out) == 2 ]] || fail "a picture on fewer bins: $(cat out)"
ok "--band-fraction: a warning without --norm-data, none with it, the same for any threads"

# A model that was saved in the first phase is of its bands.
succeed "$train" "$small" --data "$data" --set "net.bands=0.5:1,1:" --epochs 1 --out half
succeed "$info" half/model.safetensors
has out "25 of 85" "every radius cut to 0.5"
score half/model.safetensors
! grep warning err || fail "the model's own bands need no warning"
[[ $(json '"%.6f" % r["accuracy"]') == "$(tail -n 1 half/log.csv | cut -d, -f6)" ]] ||
    fail "the log says $(tail -n 1 half/log.csv) and fcnn-infer $(cat out)"
score half/model.safetensors --band-fraction 1
has err "band fraction of 0.5"
ok "a model saved in a phase computes on that phase's bins"

succeed "$train" "$small" --data "$data" --set "net.bands=0.5:1,1:" --epochs 1 --save spectral \
    --out spectral
score spectral/model.safetensors
[[ $(json '"%.6f" % r["accuracy"]') == "$(tail -n 1 half/log.csv | cut -d, -f6)" ]] ||
    fail "spectral: $(cat out)"
score spectral/model.safetensors --band-fraction 0.3 --norm-data "$data"
has err "spectral form" "folded"
ok "a spectral model keeps its folded norms and says so"

pixels=(--set 'conv[2].activation=relu' --data "$data" --set "net.bands=0.5:1,1:")
succeed "$train" "$small" "${pixels[@]}" --epochs 2 --out grown
succeed "$build/fcnn-convert" grown/model.safetensors --domain space --out twin.safetensors
score grown/model.safetensors
accuracy=$(json 'r["accuracy"]')
score twin.safetensors
[[ $(json 'r["accuracy"]') == "$accuracy" ]] || fail "in space: $(cat out), not $accuracy"
succeed "$train" "$small" "${pixels[@]}" --epochs 1 --out grown
refuse 1 "grown/model.safetensors" "0.5 of every radius" \
    "$build/fcnn-convert" grown/model.safetensors --domain space --out twin.safetensors
ok "a network whose bands have grown converts to space, one of cut bands does not"

succeed "$train" "$small" --data "$data" --epochs 1 --set 'conv[1].norm=none' --out plain
score plain/model.safetensors --band-fraction 0.5
! grep warning err || fail "no norms, nothing to warn of"
score plain/model.safetensors --norm-data "$data"
has err "no norms"
for value in 0 1.5 -1 half ""; do
    refuse 2 "--band-fraction" "expected a fraction" \
        "$infer" $model --data "$data" --band-fraction "$value"
done
refuse 1 "--norm-data" "3 channels" \
    "$infer" $model --data "$data" --norm-data "synthetic:classes=4,channels=3"
succeed "$train" "$small" --data "$data" --epochs 1 --set net.domain=space \
    --set 'conv[2].activation=relu' --out space
refuse 2 "space/model.safetensors" "domain=space" \
    "$infer" space/model.safetensors --data "$data" --band-fraction 0.5
ok "without norms nothing is said; fractions that cannot be are refused"
