#!/usr/bin/env bash
# What was trained can be used: fcnn-infer repeats the score of the log from the
# model file alone, in either form, and names pictures; fcnn-train fine-tunes,
# keeps the best epoch where it may choose, and never overwrites an earlier run.
source "$(dirname "$0")/common.sh"
boot=$tests/images/ankle-boot.png
shirt=$tests/images/shirt.png

json() { python3 -c "import json, sys; r = json.load(open('out')); print($1)"; }

# scores_as_logged MODEL RUN DATA...: accuracy and loss, as text, of the log's last row.
scores_as_logged() {
    local model=$1 log=$2/log.csv wanted found
    shift 2
    succeed "$infer" "$model" "$@" --json
    python3 -m json.tool <out >/dev/null || fail "not JSON: $(cat out)"
    wanted=$(tail -n 1 "$log" | cut -d, -f5,6)
    found=$(sed -nE 's/.*"accuracy": ([^,]+),.*"loss": ([^,]+),.*/\2,\1/p' out)
    [[ $wanted =~ ^[0-9.]+,[0-9.]+$ && $wanted == "$found" ]] ||
        fail "$model: the log says loss,accuracy $wanted and fcnn-infer $found"
}

fashion=(--data fashion-mnist --limit 1000)
succeed "$train" "$small" "${fashion[@]}" --out compact
scores_as_logged compact/model.safetensors compact "${fashion[@]}"
accuracy=$(json 'r["accuracy"]')
awk -v a="$accuracy" 'BEGIN { exit !(a > 0.3 && a < 1) }' ||
    fail "an accuracy of $accuracy on Fashion-MNIST shows nothing"
[[ $(json 'sorted(r)') == "['accuracy', 'band_fraction', 'images', 'loss', 'ms_per_image', 'top5']" ]] ||
    fail "names of --json: $(json 'sorted(r)')"
ok "fcnn-infer --data --json repeats the log's last row, accuracy $accuracy"

succeed "$infer" compact/model.safetensors "${fashion[@]}" --json --confusion matrix.csv
[[ $(json 'r["accuracy"]') == "$accuracy" ]] || fail "--confusion changed the score: $(cat out)"
python3 - "$accuracy" <<'END' || fail "the confusion matrix: $(cat matrix.csv)"
import csv, sys
rows = list(csv.reader(open("matrix.csv")))
counts = [[int(n) for n in row[1:]] for row in rows[1:]]
assert rows[0][1:] == [row[0] for row in rows[1:]] and "Ankle boot" in rows[0]
total = sum(map(sum, counts))
assert total == 1000, total
assert abs(sum(counts[i][i] for i in range(10)) / total - float(sys.argv[1])) < 1e-6
END
refuse 1 "missing/matrix.csv" "" \
    "$infer" compact/model.safetensors "${fashion[@]}" --csv --confusion missing/matrix.csv
refuse 2 "--confusion" "--data" "$infer" compact/model.safetensors "$boot" --confusion matrix.csv
ok "--confusion: a row a label, whose diagonal is the accuracy"

succeed "$train" "$small" "${fashion[@]}" --save spectral --out spectral
[[ $(untimed compact) == "$(untimed spectral)" ]] || fail "--save changed the training"
succeed "$infer" spectral/model.safetensors "${fashion[@]}" --json
[[ $(json 'r["accuracy"]') == "$accuracy" ]] || fail "spectral: $(cat out), compact: $accuracy"
ok "the model saved with --save spectral has the same accuracy"

# Probabilities of the two forms agree to the rounding of the folded norm.
probabilities() {
    succeed "$infer" "$1" "$boot" "$shirt" --top 10 --json
    python3 -c '
import json
for file in json.load(open("out"))["results"]:
    for row in sorted(file["top"], key=lambda row: row["class"]):
        print(row["class"], repr(row["probability"]))'
}
probabilities compact/model.safetensors >a
probabilities spectral/model.safetensors >b
paste -d' ' a b >both
[[ $(wc -l <both) == 20 ]] || fail "expected 20 probabilities: $(cat both)"
while read -r -a row; do # class names hold spaces: the numbers are counted from the end
    n=${#row[@]}
    awk -v a="${row[n / 2 - 1]}" -v b="${row[n - 1]}" \
        'BEGIN { d = a - b; exit !((d < 0 ? -d : d) <= 1e-4 * a + 1e-12 && a > 0) }' ||
        fail "the forms differ: ${row[*]}"
done <both
ok "and the same probabilities of two pictures"

# File names need not be text; JSON and a terminal expect it.
cp "$boot" $'caf\xe9 "1".png'
succeed "$infer" compact/model.safetensors $'caf\xe9 "1".png' --json
[[ $(json 'r["results"][0]["file"]') == 'caf\xe9 "1".png' ]] || fail "its name: $(cat out)"
run "$infer" compact/model.safetensors $'absent\e[31m.png'
has err 'absent\x1b[31m.png: cannot be read'
ok "names that are no text are shown with \\x"

for model in compact spectral; do
    succeed "$info" $model/model.safetensors
    has out "$model form" "1 channels, 10 classes" "Ankle boot" "conv1" "arena, allocated once" \
        "every layer between fft and ifft is resident"
done
ok "fcnn-info shows both models"

# Pictures.
model=compact/model.safetensors
succeed "$infer" $model "$boot" --top 3
[[ $(head -n 1 out) == "$boot" && $(wc -l <out) == 4 ]] || fail "--top 3: $(cat out)"
tail -n 3 out | awk '!/^  [A-Z].* [01]\.[0-9]+$/ || $NF > last + (NR == 1 ? 9 : 0) { exit 1 }
    { last = $NF; sum += $NF } END { exit sum > 1.001 }' || fail "--top 3: $(cat out)"
named=$(sed -nE '2s/^  (.*[^ ]) +[0-9.]+$/\1/p' out)
succeed "$infer" $model "$boot" "$shirt" --top 3 --csv
[[ $(wc -l <out) == 7 && $(head -n 1 out) == "file,rank,class,probability" ]] ||
    fail "--csv: $(cat out)"
[[ $(sed -n 2p out) == "$boot,1,$named,0."* ]] || fail "--csv: expected $named in: $(cat out)"
succeed "$infer" $model "$boot" "$shirt" --top 3 --json
python3 -m json.tool <out >/dev/null || fail "not JSON: $(cat out)"
[[ $(json 'r["results"][0]["top"][0]["class"], len(r["results"]), len(r["results"][1]["top"])') \
    == "$named 2 3" ]] || fail "--json: $(cat out)"
ok "a picture's three names with probabilities, as text, CSV and JSON"

run "$infer" $model "$boot" missing1.png missing2.png "$shirt"
[[ $code == 1 ]] || fail "missing pictures: expected exit code 1, got $code"
has out "$boot" "$shirt"
[[ $(grep -c 'missing1.png' err) == 1 && $(grep -c 'missing2.png' err) == 1 ]] ||
    fail "each missing picture is told once: $(cat err)"
ok "missing pictures among good ones: each told once, the others classified, exit code 1"

# Options that name a file by mistake: what is there stays.
cp "$boot" mine.png
cp $model mine.safetensors
before=$(cat mine.png mine.safetensors | md5sum)
for file in mine.png mine.safetensors; do
    refuse 2 "--picture $file" "another kind" "$infer" $model "$boot" --picture $file
    refuse 2 "--features $file" "another kind" "$infer" $model "$boot" --features conv1 $file
    refuse 2 "--confusion $file" "another kind" "$infer" $model "${fashion[@]}" --confusion $file
done
refuse 2 "--out mine.png" "another kind" "$build/fcnn-convert" $model --form spectral --out mine.png
ln mine.safetensors same.safetensors
refuse 2 "--out same.safetensors" "overwrite" "$build/fcnn-convert" mine.safetensors --form spectral --out same.safetensors
[[ $(cat mine.png mine.safetensors | md5sum) == "$before" ]] || fail "a file was replaced"
for try in 1 2; do
    succeed "$infer" $model "$boot" --picture page.html --features conv1 maps.npy
    succeed "$infer" $model "${fashion[@]}" --confusion matrix.csv
    succeed "$build/fcnn-convert" $model --form spectral --out twice.safetensors
done
ok "files of their own kind are replaced, pictures and models named by mistake are not"

# A model of NaN, as of another program or a bad disk.
python3 - $model nan.safetensors <<'PYTHON'
import sys
data = open(sys.argv[1], "rb").read()
start = 8 + int.from_bytes(data[:8], "little")
open(sys.argv[2], "wb").write(data[:start] + b"\xff" * (len(data) - start))
PYTHON
for how in --csv --json "--top 2"; do
    # shellcheck disable=SC2086
    refuse 1 "$boot: the probabilities by nan.safetensors" "not finite" "$infer" nan.safetensors "$boot" $how
    ! grep -i nan out || fail "printed nevertheless"
done
run "$infer" nan.safetensors "${fashion[@]}"
[[ $code == 1 && ! -s out ]] || fail "exit code $code: $(cat out)"
has err "fashion-mnist: the probabilities by nan.safetensors are not finite"
succeed "$build/fcnn-convert" nan.safetensors --form spectral --out folded.safetensors
has out "logits are not finite"
ok "probabilities that are not finite are an error, in every form of output"

# Fine-tuning: another number of classes.
four=(--data "synthetic:classes=4,size=14,channels=1,train=256,val=64")
five=(--data "synthetic:classes=5,size=14,channels=1,train=256,val=64")
succeed "$train" "$small" "${four[@]}" --out four
succeed "$train" "$small" "${five[@]}" --epochs 1 --init four/model.safetensors --out five
has err "starting from four/model.safetensors" "taken: conv1, conv2, dense1, dense2 by class: " "are new and start fresh"
[[ $(wc -l <err) -le 10 ]] || fail "many lines of what was taken: $(<err)"
has out "5 classes"
succeed "$info" five/model.safetensors
has out "1 channels, 5 classes"
# One epoch from trained features must beat one epoch from nothing.
succeed "$train" "$small" "${five[@]}" --epochs 1 --out scratch
awk -v a="$(tail -n 1 five/log.csv | cut -d, -f3)" -v b="$(tail -n 1 scratch/log.csv | cut -d, -f3)" \
    'BEGIN { exit !(a < b) }' || fail "the fine-tuned loss is no lower than a fresh network's"
refuse 1 "four/model.safetensors" "know 60.0deg 120.0deg scored" \
    "$infer" four/model.safetensors "${five[@]}"
ok "--init: a classifier of another size starts fresh and says so; the features help"

# Choosing an epoch by a part of the training images.
succeed "$train" "$small" "${fashion[@]}" --val-fraction 0.2 --out chosen
has out "800 training" "200 validation" "model-best.safetensors" "best epoch"
grep -qE '^test accuracy 0\.[0-9]+, top-5 0\.[0-9]+, loss [0-9.]+ on 1000 images$' out || fail "no test line: $(cat out)"
best=$(sed -nE 's/^best epoch [0-9]+ with validation accuracy ([0-9.]+):.*/\1/p' out)
[[ $best == "$(tail -n +2 chosen/log.csv | cut -d, -f6 | sort -n | tail -n 1)" ]] ||
    fail "the best epoch, $best, is not the log's: $(cat chosen/log.csv)"
[[ ! -e compact/model-best.safetensors ]] || fail "an epoch was chosen by the test images"
succeed "$info" chosen/model-best.safetensors
ok "--val-fraction: the best epoch is kept and the test set is scored once at the end"

# Few images score alike in many epochs: then the loss decides.
succeed "$train" "$small" --val-fraction 0.05 --epochs 12 --out tied
best=$(sed -nE 's/^best epoch ([0-9]+) .*/\1/p' out)
wanted=$(awk -F, 'NR > 1 && ($6 > a || ($6 == a && $5 < l)) { a = $6; l = $5; e = $1 } END { print e }' \
    tied/log.csv)
[[ $(cut -d, -f6 tied/log.csv | sort | uniq -d) ]] || fail "no two epochs score alike: $(cat tied/log.csv)"
[[ $best == "$wanted" ]] || fail "the best epoch is $best and not $wanted: $(cat tied/log.csv)"
ok "of epochs with the same accuracy that with the lowest loss is kept"

# A fresh run over an old one.
kept=$(sha256sum <compact/model.safetensors)
succeed "$train" "$small" "${fashion[@]}" --epochs 1 --out compact
has err "compact.old"
[[ $(sha256sum <compact.old/model.safetensors) == "$kept" ]] || fail "compact.old is another run"
succeed "$train" "$small" "${fashion[@]}" --epochs 1 --out compact/
[[ -e compact.old.2/log.csv ]] || fail "a third run: $(cat err)"
ok "a fresh run over an old one keeps the old as compact.old"
