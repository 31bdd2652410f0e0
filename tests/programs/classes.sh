#!/usr/bin/env bash
# Classes are matched by name: --init takes the classifier's rows by it, and
# fcnn-infer --data scores data that lacks classes or has them in another order.
source "$(dirname "$0")/common.sh"

pictures() { python3 "$tests/programs/waves.py" "$@"; }
options=(--val-fraction 0.25 --batch 8 --threads 1)
# rows FOLDER: a line for each class of its model, with the numbers of its row of the classifier.
rows() {
    python3 - "$1/model.safetensors" <<'P'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = int.from_bytes(data[:8], "little")
header = json.loads(data[8 : 8 + size])
names = json.loads(header["__metadata__"]["class_names"])
for i, name in enumerate(names):
    parts = []
    for tensor in "dense2.weight", "dense2.bias":
        start, end = header[tensor]["data_offsets"]
        row = (end - start) // len(names)
        numbers = data[8 + size + start + i * row : 8 + size + start + (i + 1) * row]
        parts += ["%.6f" % (0 if abs(x) < 1e-9 else x) for (x,) in struct.iter_unpack("<f", numbers)]
    print(name, *parts)
P
}
row() { rows "$1" | grep "^$2 "; }
# A rate too small to change a number shows what a run started from.
still=(--set net.learning_rate=1e-30 --set net.weight_decay=0 --epochs 1)
# start DATA OUT [OPTION...]: what a run on DATA starts from.
start() {
    local data=$1 out=$2
    shift 2
    rm -rf "$out"
    succeed "$train" "$small" --data "$data" "${options[@]}" "${still[@]}" --out "$out" "$@"
}

pictures three cat,dog,owl 12
succeed "$train" "$small" --data three "${options[@]}" --out model
init=(--init model/model.safetensors)

# ---- --init ----
start three same "${init[@]}"
[[ $(rows same) == "$(rows model)" ]] || fail "the same classes: other rows"
! grep -q "dense2: class" err || fail "the same classes need no remark: $(cat err)"
has err "taken: conv1, conv2, dense1, dense2: all 2989 parameters"

cp -r three other
mv other/cat other/zebra
start other fresh
start other renamed "${init[@]}"
has err "taken: conv1, conv2, dense1, dense2 by class: " " of " " parameters" \
    "dense2: classes 'dog' and 'owl' are taken by name" "dense2: class 'zebra' is new" \
    "dense2: class 'cat' is not among the data's, and dropped"
for class in dog owl; do
    [[ $(row renamed $class) == "$(row model $class)" ]] || fail "$class has not its own row"
done
[[ $(row renamed zebra) == "$(row fresh zebra)" ]] || fail "zebra does not start fresh"
ok "--init with a class renamed: rows go by name, the new one starts fresh, all are told"

cp -r three more
pictures more ant,bee 12
start more grown "${init[@]}"
has err "classes 'cat', 'dog' and 'owl' are taken" "classes 'ant' and 'bee' are new"
start more grown-fresh
for class in cat dog owl; do
    [[ $(row grown $class) == "$(row model $class)" ]] || fail "$class has not its own row"
done
[[ $(row grown ant) == "$(row grown-fresh ant)" ]] || fail "ant does not start fresh"
cp -r three fewer
rm -r fewer/dog
start fewer shrunk "${init[@]}"
has err "classes 'cat' and 'owl' are taken" "class 'dog' is not among"
[[ $(rows shrunk) == "$(rows model | grep -v '^dog ')" ]] || fail "rows of cat and owl"
pictures none x,y,z 12
start none strange "${init[@]}"
start none strange-fresh
has out "3 classes"
[[ $(rows strange) == "$(rows strange-fresh)" ]] || fail "strange classes do not start fresh"
ok "more classes, fewer, and none in common"

# idx files name their classes in a text, in any order, or number them.
idx() {
    python3 - "$@" <<'P'
import os, struct, sys
folder, places = sys.argv[1], [int(place) for place in sys.argv[2].split(",")]
names = sys.argv[3:]
os.makedirs(folder, exist_ok=True)
for prefix, count in ("train", 48), ("t10k", 24):
    labels = [i % len(places) for i in range(count)]
    pixels = bytes(
        (40 * label + 17 * i + (9 * x if label % 2 else 11 * y)) % 256
        for i, label in enumerate(labels) for y in range(12) for x in range(12))
    with open(f"{folder}/{prefix}-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">4I", 0x803, count, 12, 12) + pixels)
    with open(f"{folder}/{prefix}-labels-idx1-ubyte", "wb") as file:
        file.write(struct.pack(">2I", 0x801, count) + bytes(places[label] for label in labels))
if names:
    with open(f"{folder}/classes.txt", "w") as file:
        file.write("\n".join(names) + "\n")
P
}
idx ordered 0,1,2,3 a b c d
idx turned 3,2,1,0 d c b a
idx numbered 0,1,2,3
idx twice 0,1,2,3 a b a d
options=(--batch 8 --threads 1)
succeed "$train" "$small" --data ordered "${options[@]}" --out letters
start turned permuted --init letters/model.safetensors
[[ $(rows permuted) == "$(rows letters | tac)" ]] || fail "the rows do not follow the names"
has err "classes 'd', 'c', 'b' and 'a' are taken by name"
start numbered unnamed --init letters/model.safetensors
start numbered unnamed-fresh
[[ $(rows unnamed) == "$(rows unnamed-fresh)" ]] || fail "numbers were taken for names"
refuse 1 "letters/model.safetensors: " "two classes are named 'a'" "$train" "$small" \
    --data twice "${options[@]}" "${still[@]}" --out no --init letters/model.safetensors --quiet
ok "the same names in another order: rows are permuted; numbers are no names, twins are refused"

refuse 2 "letters/checkpoint.safetensors" "classes another order" "$train" "$small" \
    --data turned "${options[@]}" --out letters --resume --quiet
refuse 2 "letters/checkpoint.safetensors" "'a' 'd' gone '0' '3' new" "$train" "$small" \
    --data numbered "${options[@]}" --out letters --resume --quiet
ok "--resume on classes in another order, or without their names: refused"

# ---- fcnn-infer --data ----
score() {
    succeed "$infer" "$@" --json
    cut -d, -f1,3,4 out
}
ordered=$(score letters/model.safetensors --data ordered --confusion ordered.csv)
turned=$(score letters/model.safetensors --data turned --confusion turned.csv)
[[ $ordered == "$turned" ]] || fail "scored in another order: $ordered and $turned"
cmp ordered.csv turned.csv
refuse 1 "letters/model.safetensors" "does not know '0' '3' scored" \
    "$infer" letters/model.safetensors --data numbered
ok "data with its classes in another order: the same score and confusion matrix"

score model/model.safetensors --data three --confusion all.csv >all
has all '"images": 36'
score model/model.safetensors --data fewer --confusion fewer.csv >some
has err "the data has no class 'dog'"
has some '"images": 24'
[[ $(grep '^cat,\|^owl,' fewer.csv) == "$(grep '^cat,\|^owl,' all.csv)" ]] || fail "$(cat fewer.csv)"
grep -q '^dog,0,0,0$' fewer.csv || fail "the row of no images: $(cat fewer.csv)"
refuse 1 "model/model.safetensors" "does not know class 'zebra' scored" \
    "$infer" model/model.safetensors --data other
mkdir -p split
cp -r more split/train # its training images are not scored: their classes do not matter
cp -r fewer split/val
score model/model.safetensors --data split >some
has some '"images": 24'
pictures split/val bee 2
refuse 1 "model/model.safetensors" "does not know class 'bee' scored" \
    "$infer" model/model.safetensors --data split
ok "data without some classes is scored, and they are named; images of unknown ones are refused"
