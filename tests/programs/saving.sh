#!/usr/bin/env bash
# What a run saves, and when: weights are written once, a checkpoint knows them by their numbers
# wherever they lie, and save_every= says how often.
source "$(dirname "$0")/common.sh"

data=(--data "synthetic:classes=4,size=14,channels=1,train=64,val=32" --val-fraction 0.25)
inode() { stat -c %i "$1"; }
tensors() {
    python3 -c 'import json, sys
file = open(sys.argv[1], "rb")
header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
print(*(name for name in header if name != "__metadata__"), sep="\n")' "$1"
}

# ---- Weights are written once ----

succeed "$train" "$small" "${data[@]}" --epochs 4 --out whole --set net.patience=100
last=$(sed -nE 's/^best epoch ([0-9]+) .*/\1/p' out)
if tensors whole/checkpoint.safetensors | grep -qv '^moment[12]\.'; then
    fail "the checkpoint has weights of its own: $(tensors whole/checkpoint.safetensors)"
fi
tensors whole/model.safetensors >names
grep -q -x conv1.weight names || fail "the model has no weights"
cp whole/checkpoint.safetensors alone.safetensors
refuse 1 "alone.safetensors: its weights" "model.safetensors is missing model-next.safetensors" \
    "$info" alone.safetensors
for file in model checkpoint; do
    succeed "$infer" whole/$file.safetensors "$tests/images/shirt.png" --json
    sed -E 's/"(ms_per_image|model)": [^,}]*//g' out >"$file.json"
done
cmp model.json checkpoint.json || fail "checkpoint and model classify differently"
ok "a checkpoint holds moments alone, and is read with the weights of the model beside it"

# The best epoch is the last one where nothing is worse than chance's first guess: made so.
succeed "$train" "$small" "${data[@]}" --epochs 1 --out one
[[ $(inode one/model.safetensors) == "$(inode one/model-best.safetensors)" ]] ||
    fail "the best epoch, which is the last, is written twice"
if ((last < 4)); then
    [[ $(inode whole/model.safetensors) != "$(inode whole/model-best.safetensors)" ]] ||
        fail "epoch $last is the best of 4, and the last one has its file"
fi
ok "the best epoch, if it is the last, is a second name of its file"

# ---- Whatever happens to the folder ----

cut=("$train" "$small" "${data[@]}")
succeed "${cut[@]}" --epochs 2 --out short --set net.schedule=constant
succeed "${cut[@]}" --epochs 4 --out long --set net.schedule=constant
again() { succeed "${cut[@]}" --epochs 4 --out "$1" --set net.schedule=constant --resume; }

cp -r short moved
mv moved/model.safetensors moved/model-next.safetensors
again moved
same_run long moved
[[ ! -e moved/model-next.safetensors ]] || fail "model-next.safetensors is left behind"
ok "killed before the model had its name: found, and the same bits"

cp -r short best
cp best/model.safetensors best/model-best.safetensors
rm best/model.safetensors
again best
same_run long best
ok "without its model the weights are found in model-best.safetensors"

# A complete run has no save to come, which would name the model.
cp -r short gone
cp gone/model.safetensors gone/model-best.safetensors
rm gone/model.safetensors
succeed "$train" --resume gone
cmp short/model.safetensors gone/model.safetensors || fail "a complete run is left without its model"
ok "a complete run gets its model back"

cp -r short other
rm -f other/model-best.safetensors
cp long/model.safetensors other/model.safetensors
sum=$(md5sum other/*.safetensors)
refuse 1 "other/checkpoint.safetensors: its weights" "model.safetensors has others" \
    "${cut[@]}" --epochs 4 --out other --set net.schedule=constant --resume
[[ $(md5sum other/*.safetensors) == "$sum" ]] || fail "a refused resume changed files"
head -c 300 short/model.safetensors >other/model.safetensors
refuse 1 "other/checkpoint.safetensors: its weights" "model.safetensors cannot be read" \
    "${cut[@]}" --epochs 4 --out other --set net.schedule=constant --resume
ok "another model in its place, or half of it, is told"

python3 "$tests/programs/references.py" short/checkpoint.safetensors
for i in 0 1 2 3 4 5; do
    refuse 1 "reference$i.safetensors: the metadata 'weights'" "expected 16 hexadecimal" \
        "$info" reference$i.safetensors
done
ok "a reference that is none is refused, and so is one to another folder"

for form in spectral compact; do
    succeed "${cut[@]}" --epochs 2 --out $form --set net.schedule=constant --save $form
    succeed "${cut[@]}" --epochs 4 --out $form --set net.schedule=constant --save $form --resume
done
succeed "${cut[@]}" --epochs 4 --out straight --set net.schedule=constant --save spectral
same_run straight spectral
same_run long compact
ok "spectral models have checkpoints with weights, which go on to the same bits"

succeed "${cut[@]}" --epochs 2 --out half --set net.schedule=constant --save spectral
for left in older none; do
    cp -r straight killed
    mv killed/model.safetensors killed/model-next.safetensors
    [[ $left == none ]] || cp half/model.safetensors killed/model.safetensors
    succeed "$train" --resume killed
    same_run straight killed
    [[ ! -e killed/model-next.safetensors ]] || fail "model-next.safetensors is left behind"
    rm -r killed
done
ok "killed before a last spectral model had its name: it is the checkpoint's, and no older one"

# ---- Positions ----

for pair in epoch=-1 epoch_step=1 epoch_images=-48 epoch_images=64 epoch_correct=1 epoch_loss=inf \
    epoch_seconds=-inf epoch_seconds=-1 best_epoch=-7 best_epoch=3 best_accuracy=inf best_loss=inf \
    since_best=-1 schedule_step=inf; do
    rm -rf wild
    cp -r short wild
    python3 "$tests/programs/positions.py" short/checkpoint.safetensors wild/checkpoint.safetensors \
        "$pair"
    run "$train" --resume wild --epochs 3 --quiet
    [[ $code == 1 ]] || fail "exit code $code with $pair: $(cat err)"
    has err "wild/checkpoint.safetensors: its position makes no sense"
done
for pair in epoch_correct=-99999999999999999999 epoch=x epoch= epoch_loss=nan; do
    python3 "$tests/programs/positions.py" short/checkpoint.safetensors wild/checkpoint.safetensors \
        "$pair"
    run "$train" --resume wild --epochs 3 --quiet
    [[ $code == 1 ]] || fail "exit code $code with $pair: $(cat err)"
    has err "wild/checkpoint.safetensors: '${pair%%=*}' is" "expected a number"
done
ok "a position that cannot be is refused"

# ---- Read while it saves ----

cc -O1 -shared -fPIC "$tests/programs/replaces.c" -o replaces.so -ldl || fail "replaces.c"
if ! sanitized; then
    cp -r short read
    cp -r long save
    succeed env FCNN_RUN="$work/read" FCNN_SAVE="$work/save" LD_PRELOAD="$work/replaces.so" \
        "$info" read/checkpoint.safetensors
    [[ ! -e save/model.safetensors ]] || fail "nothing was saved meanwhile"
    ok "a checkpoint is read with its own weights while the run saves"
fi

# ---- How often ----

for value in 0 -1 1.5 x 5s m 1e9 nan; do
    refuse 2 "" "save_every= epochs minutes" "$train" "$small" --out no \
        --set "net.save_every=$value"
done
ok "save_every: eight values that are none"

# saved COMMAND...: how many times the checkpoint was put in its place.
cc -O1 -shared -fPIC "$tests/programs/renames.c" -o renames.so -ldl || fail "renames.c"
saved() {
    rm -rf count "$work/renames"
    succeed env FCNN_RENAMES="$work/renames" LD_PRELOAD="$work/renames.so" "$@" --out count
    grep -c '/checkpoint.safetensors$' "$work/renames"
}
if ! sanitized; then
    [[ $(saved "${cut[@]}" --epochs 7 --set net.save_every=1) == 7 ]] || fail "save_every=1"
    [[ $(saved "${cut[@]}" --epochs 7 --set net.save_every=3) == 3 ]] || fail "save_every=3"
    [[ $(saved "${cut[@]}" --epochs 7 --set net.save_every=1000m) == 1 ]] || fail "save_every=1000m"
    often=$(saved "$train" "$small" --epochs 1 --set net.save_every=0.00001m)
    ((often > 1)) || fail "save_every=0.00001m did not save within an epoch"
    by_itself=$(saved "${cut[@]}" --epochs 60)
    # The first epoch, the last, and one each time that it is due: no machine takes so long.
    ((by_itself >= 2 && by_itself < 60)) || fail "by default $by_itself times in 60 epochs"
    ok "every epoch, every third, at the end alone, within epochs; by default $by_itself times in 60"
fi

# Within epochs, and killed there.
succeed "${cut[@]}" --epochs 40 --out forty
succeed "${cut[@]}" --epochs 40 --out ticking --set net.save_every=0.00001m
cmp <(weights ticking) <(weights forty) || fail "saving within epochs changed the weights"
for i in 1 2 3; do
    rm -rf dead
    "${cut[@]}" --epochs 40 --out dead --set net.save_every=0.00001m >out 2>err </dev/null &
    pid=$!
    until [[ -e dead/checkpoint.safetensors ]] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
    sleep 0.0$i
    { kill -KILL $pid && wait $pid; } 2>/dev/null || true
    succeed "${cut[@]}" --epochs 40 --out dead --set net.save_every=auto --resume
    cmp <(weights dead) <(weights forty) || fail "another end after kill -9"
done
ok "within epochs: the same weights, also after kill -9, and resumed with another save_every"
