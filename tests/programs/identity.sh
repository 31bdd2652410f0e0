#!/usr/bin/env bash
# A run is known by its classes and its pictures: --resume goes on wherever they
# lie, names what differs, and survives pictures that are gone.
source "$(dirname "$0")/common.sh"

pictures() { python3 "$tests/programs/waves.py" "$@"; }
options=(--val-fraction 0.25 --batch 8 --set net.schedule=constant --threads 1)
start=("$train" "$small" --data data "${options[@]}" --epochs 1 --out run)
there=("$train" "$small" "${options[@]}" --epochs 2 --out run --resume)
resume=("${there[@]}" --data data)

# again: the run `run` after its first epoch, and the folder `data`, as they were then.
again() {
    rm -rf run data
    cp -rp kept-run run
    cp -rp kept-data data
}
# refused "WORDS" [OPTION...]: the resume is refused with these words and changes nothing.
refused() {
    local words=$1
    shift
    refuse 2 "run/" "$words" "${resume[@]}" "$@"
    diff -r kept-run run || fail "a resume that was refused changed the run's folder"
}

pictures data cat,dog,owl 12
succeed "${start[@]}"
head -n 1 run/images.tsv | grep -qxP 'split\tclass\tpath\tfingerprint' || fail "$(head -n 1 run/images.tsv)"
[[ $(grep -cP '^train\tdog\tdog/p\d\d.bmp\t[0-9a-f]{16}$' run/images.tsv) == 12 ]] ||
    fail "the list of images: $(cat run/images.tsv)"
cp -rp run kept-run
cp -rp data kept-data
succeed "${resume[@]}"
cp -rp run whole
ok "a run keeps the list of its images"

# ---- The same pictures ----
again
mkdir -p "other disk"
mv data "other disk/animals"
ln -s "other disk" link
for path in "other disk/animals" "$work/other disk/animals/" link/animals; do
    rm -rf run
    cp -rp kept-run run
    succeed "${there[@]}" --data "$path"
    same_training whole run
done
find "other disk" -type f -exec touch {} +
rm -rf run
cp -rp kept-run run
succeed "${there[@]}" --data "other disk/animals"
same_training whole run
cp -rp run moved # and once more from there, by a cfg of another folder
sed "s|^data=.*|data=animals|" "$small" >"other disk/moved.cfg"
succeed "$train" "other disk/moved.cfg" "${options[@]}" --epochs 2 --out moved --resume
ok "the same pictures at other paths, with other times: the bits of a run that stayed"

# ---- Other classes ----
again
mv data/cat data/zebra
refused "'cat' gone 'zebra' new --init"
again
pictures data ape 12
refused "'ape' new"
again
rm -r data/dog
refused "'dog' gone"
again
rm data/dog/*
run "${resume[@]}"
[[ $code == 2 ]] || fail "an emptied class: exit code $code"
has err "data/dog: a class folder without a usable image" "class 'dog' is gone"
again
mv data/cat data/x && mv data/dog data/cat && mv data/x data/dog
refused "cat/p00.bmp other contents"
ok "classes renamed, added, removed, emptied, exchanged: refused by name"

# ---- Other pictures ----
again
pictures new bird 1 77
cp -p new/bird/p00.bmp data/dog/p03.bmp
refused "dog/p03.bmp other contents"
again
for i in 05 06; do
    mv "data/cat/p$i.bmp" t && mv "data/owl/p$i.bmp" "data/cat/p$i.bmp" && mv t "data/owl/p$i.bmp"
done
refused "cat/p05.bmp cat/p06.bmp owl/p05.bmp owl/p06.bmp other contents"
again
cp new/bird/p00.bmp data/owl/extra.bmp
refused "owl/extra.bmp new"
again
mv data/cat/p00.bmp data/cat/p99.bmp
refused "cat/p99.bmp new"
again
for i in 0 1 2 3 4 5 6 7 8; do cp new/bird/p00.bmp data/owl/x$i.bmp; done
refused "owl/x0.bmp owl/x4.bmp new 4 more"
ok "pictures replaced, exchanged, added, renamed: refused, each by its name"

again
refused "18 training 27 --limit" --limit 24
refuse 2 "run/checkpoint.safetensors" "seed=7 seed=8" "${resume[@]}" --seed 8
refuse 2 "run/checkpoint.safetensors" "val_fraction=0.25 val_fraction=0.5" \
    "${resume[@]}" --val-fraction 0.5
ok "another --limit, seed or part to validate on: refused"

# ---- Pictures that are gone ----
again
rm data/cat/p03.bmp data/dog/p07.bmp
succeed "${resume[@]}"
has err "problem: " "cat/p03.bmp" "dog/p07.bmp" "is gone" "2 problems with the images"
cp -rp run less
again
: >data/cat/p03.bmp
printf 'BM and no more' >data/dog/p07.bmp
succeed "${resume[@]}"
has err "cat/p03.bmp" "dog/p07.bmp"
same_run less run
succeed "${resume[@]/#2/3}"
has err "cat/p03.bmp"
rm data/cat/p03.bmp
cp -rp kept-data/cat/p03.bmp kept-data/dog/p07.bmp .
cp -p p03.bmp data/cat
cp -p p07.bmp data/dog
succeed "${resume[@]/#2/4}"
! grep -q problem err || fail "pictures that came back: $(cat err)"
ok "pictures gone or spoilt: named, counted, left out with the same bits; they may come back"

again
rm data/{cat,dog,owl}/p0[0-2].bmp # nine of few: not more in the fifth epoch than in the first
succeed "${resume[@]/#2/6}"
has err "9 problems with the images"
again
rm data/*/p0[0-4].bmp
refused "15 of 36 gone cat/p00.bmp"
ok "more gone than a tenth, and than ten: refused"

# ---- Folders of their own to validate on ----
rm -rf split split-kept parts parts-kept
pictures split/train cat,dog,owl 8
pictures split/val cat,dog 4 9
parts=("$train" "$small" --batch 8 --set net.schedule=constant --threads 1 --data split --out parts)
succeed "${parts[@]}" --epochs 1
cp -rp split split-kept
cp -rp parts parts-kept
# changed "WORDS" COMMAND...: after this command the resume is refused with these words.
changed() {
    local words=$1
    shift
    rm -rf split
    cp -rp split-kept split
    "$@"
    run "${parts[@]}" --epochs 2 --resume --quiet
    [[ $code == 2 ]] || fail "exit code $code after: $*: $(cat err)"
    # shellcheck disable=SC2086
    has err $words
    diff -r parts-kept parts || fail "a resume that was refused changed the run's folder"
}
changed "val/dog/p09.bmp new" cp split/val/dog/p00.bmp split/val/dog/p09.bmp
changed "val/dog/p00.bmp other contents" cp new/bird/p00.bmp split/val/dog/p00.bmp
changed "'cat' gone all 4" mv split/val/cat split/val/lion
changed "'cat' 'dog' gone" rm -r split/val
changed "test/cat/p00.bmp new" mv split/val split/test
changed "val/cat/x.bmp new" mv split/train/cat/p00.bmp split/val/cat/x.bmp
rm -rf split
cp -rp split-kept split
rm split/val/cat/p02.bmp
succeed "${parts[@]}" --epochs 2 --resume --quiet
has err "val/cat/p02.bmp: is gone" "1 problem"
ok "the pictures to validate on are compared alike"

# ---- Without the list, or with another's ----
again
rm run/images.tsv
succeed "${resume[@]}"
same_run whole run
cmp run/images.tsv kept-run/images.tsv || fail "the list was not written again"
for change in other gone; do
    again
    rm run/images.tsv
    case $change in
    other) cp -p new/bird/p00.bmp data/dog/p03.bmp ;;
    gone) rm data/dog/p03.bmp data/dog/p04.bmp data/dog/p05.bmp ;;
    esac
    refuse 2 "run/checkpoint.safetensors" "'dog'" "${resume[@]}"
    ! grep -q "'cat'\|'owl'" err || [[ $change == gone ]] || fail "$(cat err)"
done
again
sed -i '5s/p0/p1/' run/images.tsv
refuse 2 "run/images.tsv" "not the list started with" "${resume[@]}"
again
head -c 500 kept-run/images.tsv >run/images.tsv
refuse 2 "run/images.tsv" "not the list started with" "${resume[@]}"
ok "without the list classes are compared and named; another run's is refused"

# A checkpoint of a build that took no fingerprints.
strip() {
    python3 - "$1" <<'P'
import json, sys
data = open(sys.argv[1], "rb").read()
size = int.from_bytes(data[:8], "little")
header = json.loads(data[8 : 8 + size])
for key in "training_data", "validation_data", "images_manifest", "schedule_step", "schedule_part":
    del header["__metadata__"][key]
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
open(sys.argv[1], "wb").write(len(text).to_bytes(8, "little") + text + data[8 + size :])
P
}
again
strip run/checkpoint.safetensors
succeed "${resume[@]}"
has err "run/checkpoint.safetensors has no fingerprints" "names of the classes" "number of images"
same_run whole run
again
strip run/checkpoint.safetensors
mv data/cat data/zebra
refuse 2 "run/checkpoint.safetensors" "'cat' gone 'zebra' new" "${resume[@]}"
again
strip run/checkpoint.safetensors
rm data/*/p11.bmp
refuse 2 "run/checkpoint.safetensors" "training images 27" "${resume[@]}"
ok "a checkpoint without fingerprints: classes and numbers are compared, and a line says so"

# ---- Names that need care ----
rm -rf run data
pictures data $'a\tb,c\\x41,d e,\xff' 8
touch plain && mv data/d\ e/p00.bmp $'data/d e/tab\there\nline.bmp'
succeed "$train" "$small" --data data "${options[@]}" --epochs 1 --out run
rm $'data/d e/tab\there\nline.bmp'
succeed "${resume[@]}"
has err 'd e/tab\x09here\x0aline.bmp: is gone'
ok "tabs, newlines, backslashes and bytes that are not UTF-8 in names"

# ---- Other kinds of data ----
python3 - <<'P'
import os, random
draw = random.Random(3)
os.makedirs("cifar/cifar-10-batches-bin")
for name in ["data_batch_%d" % i for i in range(1, 6)] + ["test_batch"]:
    with open("cifar/cifar-10-batches-bin/%s.bin" % name, "wb") as file:
        for i in range(20):
            file.write(bytes([i % 10]) + draw.randbytes(3072))
P
tar -C cifar -czf cifar.tar.gz cifar-10-batches-bin
packed=("$train" "$small" --batch 20 --set net.schedule=constant --threads 1)
succeed "${packed[@]}" --data cifar --epochs 2 --out unpacked
succeed "${packed[@]}" --data cifar --epochs 1 --out packed
[[ ! -e packed/images.tsv ]] || fail "a list of pictures that are no files"
cp -r packed packed-once
succeed "${packed[@]}" --data cifar.tar.gz --epochs 2 --out packed --resume
same_training unpacked packed
rm -r packed
mv packed-once packed
printf x | dd of=cifar/cifar-10-batches-bin/data_batch_3.bin bs=1 seek=4000 conv=notrunc status=none
refuse 2 "packed/checkpoint.safetensors" "class 'automobile'" \
    "${packed[@]}" --data cifar --epochs 2 --out packed --resume --quiet
! grep -q "'airplane'" err || fail "it is one class alone: $(cat err)"
ok "an archive of the same files is the same data; one pixel that changed is seen, by its class"

synthetic=("$train" "$small" --set net.schedule=constant --threads 1 --epochs 1 --out made)
succeed "${synthetic[@]}" --data "synthetic:classes=4,size=14,channels=1,train=256,val=64"
for change in size=15,train=256,val=64 size=14,train=255,val=64 size=14,train=256,val=65; do
    refuse 2 "made/checkpoint.safetensors" "trained on other data" \
        "${synthetic[@]}" --data "synthetic:classes=4,channels=1,$change" --resume
done
succeed "${synthetic[@]}" --data "synthetic:val=64,train=256,channels=1,size=14,classes=4" --resume
ok "synthetic data is known by what it is made from, in whatever order that is said"

# ---- The identity in models ----
succeed "$info" whole/model.safetensors
has out "training images: 27, fingerprint " "validation images: 9, fingerprint "
training=$(sed -n 's/^training images: .*fingerprint //p' out)
succeed "$info" moved/checkpoint.safetensors
has out "training images: 27, fingerprint $training"
[[ $(grep -cE '^  (cat|dog|owl) +9  [0-9a-f]{16}$' out) == 3 ]] || fail "classes: $(cat out)"
succeed "$build/fcnn-convert" whole/model.safetensors --form spectral --out spectral.safetensors
succeed "$info" spectral.safetensors
has out "training images: 27, fingerprint $training"
ok "fcnn-info shows the identity of a model's data, also of a converted one"
