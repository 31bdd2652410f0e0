#!/usr/bin/env bash
# Folders of pictures as people have them: nothing of the input is lost in
# silence. Splits under their many names, pictures that vanish in the middle of a
# run, classes of one picture, files of 16 bits, formats that are not read, and
# idx files as unpackers spell them.
source "$(dirname "$0")/common.sh"
pictures=$tests/images
run_options=(--threads 1 --quiet --epochs 1 --batch 4)

# fill FOLDER COUNT CLASS...: so many pictures of each class.
fill() {
    local folder=$1 count=$2 class name i n=0
    local names=(shirt pullover trouser ankle-boot)
    shift 2
    for class; do
        name=${names[n++ % 4]}
        mkdir -p "$folder/$class"
        for ((i = 0; i < count; i++)); do cp "$pictures/$name.png" "$folder/$class/$i.png"; done
    done
}

# ---- Splits ----
for name in val valid Validation DEV; do
    rm -rf set
    fill set/Train 6 a b
    fill "set/$name" 3 a b
    fill set/Testing 2 a b
    succeed "$train" "$small" "${run_options[@]}" --data set --out split
    grep -q '^validation accuracy .* on 6 images$' out || fail "$name is not validated on: $(cat out)"
    grep -q '^test accuracy .* on 4 images$' out || fail "test beside $name: $(cat out)"
    ! grep -E 'problem|warning' err >&2 || fail "$name: something is wrong with it"
    [[ -e split/model-best.safetensors ]] || fail "$name chooses no epoch"
done
succeed "$infer" split/model.safetensors --data set --threads 1
has out "test images 4 "
has err "not its 6 validation images"
rm -r set/DEV
succeed "$train" "$small" "${run_options[@]}" --data set --out split
grep -q '^test accuracy .* on 4 images$' out || fail "a test set alone: $(cat out)"
[[ ! -e split/model-best.safetensors ]] || fail "a test set has chosen an epoch"
fill set/val 1 a b
fill set/valid 1 a b
refuse 1 "$work/set: " "val valid both" "$train" "$small" "${run_options[@]}" --data set --out never
ok "train, val, valid, validation, dev, test and testing, in any case"

rm -r set/valid
fill set/extra 2 a b
cp "$pictures/shirt.png" set/loose.png
echo text >set/README
mkdir -p set/__MACOSX/a set/.git set/Train/a/@eaDir
echo x >set/Train/a/Thumbs.db
succeed "$train" "$small" "${run_options[@]}" --data set --out split
has err "set/extra: a folder beside Train" "set/loose.png: a file outside" \
    "2 problems with the images, named above"
[[ $(grep -c ^problem err) == 2 ]] || fail "what lies beside the splits: $(cat err)"
fill flat 4 valid invalid test-kit
succeed "$train" "$small" "${run_options[@]}" --data flat --val-fraction 0.25 --out flat-run
[[ $(head -n 1 flat-run/confusion.csv) == label,invalid,test-kit,valid ]] ||
    fail "classes of such names: $(cat flat-run/confusion.csv)"
ok "what lies beside them is named, systems' files are not, and classes may have such names"

# ---- The only picture of a class ----
fill few 8 a b
fill few 1 c d
for seed in 1 2 3 4 5 6; do
    succeed "$train" "$small" "${run_options[@]}" --data few --val-fraction 0.5 --seed $seed --out few-run
    ! grep 'no training image' err || fail "seed $seed takes the only picture of a class"
done
fill single 1 a b c
refuse 2 "val_fraction=0.4 of 3 training images" "only image of a class" \
    "$train" "$small" "${run_options[@]}" --data single --val-fraction 0.4 --out never
ok "--val-fraction leaves each class a picture to train on"

# ---- Pictures that vanish ----
fill gone/train 20 a b
fill gone/val 5 a b
"$train" "$small" --data gone --threads 1 --batch 2 --quiet --epochs 1000000 --out gone-run \
    >out 2>err </dev/null &
pid=$!
rows() { { cat gone-run/log.csv 2>/dev/null || true; } | wc -l; }
wait_for() { until eval "$1" || ! kill -0 $pid 2>/dev/null; do sleep 0.02; done; }
wait_for '(($(rows) > 2))'
rm gone/train/a/3.png gone/val/b/2.png
wait_for '[[ $(grep -c "left out" err) == 2 ]]'
before=$(rows)
wait_for '(($(rows) > before + 2))'
kill -TERM $pid || fail "the run ended: $(cat err)"
code=0
wait $pid || code=$?
[[ $code == 130 ]] || fail "exit code $code: $(cat err)"
has err "gone/train/a/3.png: cannot be read: No such file" "gone/val/b/2.png: cannot be read"
[[ $(grep -c "^problem" err) == 2 ]] || fail "named more than once: $(cat err)"
awk -F, 'NR > 1 { for (i = 2; i <= NF; i++) all += $i } END { exit all != 9 }' gone-run/confusion.csv ||
    fail "a picture that is gone counts: $(cat gone-run/confusion.csv)"
ok "pictures that vanish while training are named once, and the scores are of those that are there"

fill all/train 4 a b
fill all/val 1 a
"$train" "$small" --data all --threads 1 --batch 2 --quiet --epochs 1000000 --out all-run \
    >out 2>err </dev/null &
pid=$!
wait_for '[[ -e all-run/log.csv ]] && (($(wc -l <all-run/log.csv) > 2))'
rm all/val/a/0.png
code=0
wait $pid || code=$?
[[ $code == 1 ]] || fail "exit code $code without validation images: $(cat err)"
has err "none of 1 images to score on can be read; the first: " "all/val/a/0.png"
ok "where none is left to score on, the run says so and ends"

# ---- 16 bits, and black pictures ----
python3 - <<'PYTHON'
import os, struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def write(path, bits, rows):
    raw = b"".join(b"\0" + struct.pack(">%d%s" % (len(row), "BH"[bits == 16]), *row) for row in rows)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 12, bits, 0, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
for name, bits in (("eight", 8), ("sixteen", 16), ("black", 8)):
    for label in "hv":
        os.makedirs("%s/%s" % (name, label))
        for i in range(24):
            rows = [[100 + 90 * (((y if label == "h" else x) + i) % 4 < 2) for x in range(12)] for y in range(12)]
            if name == "black":
                rows = [[0] * 12] * 12
            write("%s/%s/%02d.png" % (name, label, i), bits, rows)
PYTHON
for name in eight sixteen; do
    succeed "$train" "$small" --threads 1 --quiet --epochs 8 --batch 8 --data $name --val-fraction 0.25 \
        --cache cache --out $name-run
done
last() { tail -n 1 "$1/log.csv" | cut -d, -f6; }
awk -v a="$(last eight-run)" -v b="$(last sixteen-run)" 'BEGIN { exit !(a > 0.9 && b > 0.9) }' ||
    fail "8 bits: $(last eight-run), the same numbers in files of 16: $(last sixteen-run)"
succeed "$train" "$small" --threads 1 --quiet --epochs 8 --batch 8 --data sixteen --val-fraction 0.25 \
    --cache cache --out again
same_run sixteen-run again
succeed "$train" "$small" "${run_options[@]}" --data black --val-fraction 0.25 --out black-run
has err "channel 1 of the training images is black" "little to learn"
ok "files of 16 bits that use 8 of them are learned from, also from the cache; black ones are named"

# ---- What is not read ----
fill odd 4 a b
printf '\0\0\0\30ftypheic' >odd/a/x.jpg
cp odd/a/x.jpg odd/a/y.heic
: >odd/b/empty.png
echo '<!DOCTYPE html><html>' >odd/b/page.jpg
cp "$pictures/shirt.png" odd/b/really-a-png.jpg
ln -s nowhere odd/b/link.png
printf 'BM\142\0\0\0\0\0\0\0\66\0\0\0\50\0\0\0\4\0\0\0\4\0\0\0\1\0\10\0\1\0\0\0' >odd/b/rle.bmp
head -c 64 /dev/zero >>odd/b/rle.bmp
succeed "$train" "$small" "${run_options[@]}" --data odd --out odd-run
has err "x.jpg: expected a JPEG, PNG, WebP, TIFF, BMP or GIF image, found a HEIC image" \
    "y.heic: is HEIC, which fcnn does not read; expected JPEG, PNG" "empty.png: truncated: the file is empty" \
    "page.jpg: " "an HTML page" "link.png: cannot be read" \
    "rle.bmp: a BMP of a kind that is not read" "6 problems with the images, named above"
! grep -q really err || fail "a PNG named .jpg: $(cat err)"
ok "other formats, pages, empty files and dead links are named and counted"

# ---- idx files ----
python3 - <<'PYTHON'
import gzip, os, struct
def idx(magic, sizes, data):
    return struct.pack(">%dI" % (1 + len(sizes)), magic, *sizes) + data
def put(folder, spellings, pack=open):
    os.makedirs(folder, exist_ok=True)
    for (split, kind), name in spellings.items():
        n = 16 if split == "train" else 4
        data = idx(0x803, [n, 8, 8], bytes(range(64)) * n) if kind == "images" else \
            idx(0x801, [n], bytes(i % 2 for i in range(n)))
        with pack(os.path.join(folder, name), "wb") as file:
            file.write(data)
roles = [(s, k) for s in ("train", "t10k") for k in ("images", "labels")]
number = {"images": 3, "labels": 1}
put("dotted", {r: "%s-%s.idx%d-ubyte" % (*r, number[r[1]]) for r in roles})
put("packed", {r: ("%s-%s.idx%d-ubyte.gz" % (*r, number[r[1]])).upper() for r in roles}, gzip.open)
put("prefixed", {r: "emnist-letters-%s-%s-idx%d-ubyte" % (r[0].replace("t10k", "test"), r[1], number[r[1]])
                 for r in roles})
put("two", {r: "emnist-digits-%s-%s-idx%d-ubyte" % (*r, number[r[1]]) for r in roles})
put("two", {r: "emnist-letters-%s-%s-idx%d-ubyte" % (*r, number[r[1]]) for r in roles})
put("lacking", {r: "%s-%s.idx%d-ubyte" % (*r, number[r[1]]) for r in roles[:3]})
PYTHON
for name in dotted packed prefixed; do
    succeed "$train" "$small" "${run_options[@]}" --data $name --out idx
    has out "test accuracy" "on 4 images"
done
refuse 1 "$work/two: " "one data set emnist-digits emnist-letters" \
    "$train" "$small" "${run_options[@]}" --data two --out never
refuse 1 "$work/lacking: " "t10k-labels-idx1-ubyte missing found: t10k-images.idx3-ubyte" \
    "$train" "$small" "${run_options[@]}" --data lacking --out never
ok "idx files in other spellings, and what is missing by name"
