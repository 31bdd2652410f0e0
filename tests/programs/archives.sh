#!/usr/bin/env bash
# Archives of pictures are data sets: what people's machines pack is the same data as the folder,
# to the last bit of a run and of its resume; spoilt archives say what and where; nothing is
# unpacked to a name.
source "$(dirname "$0")/common.sh"
python3 "$tests/programs/waves.py" data cat,dog,owl,owl-x 8
options=(--val-fraction 0.25 --batch 8 --threads 1 --set net.schedule=constant)
here() { find . -mindepth 1 -maxdepth 1 ! -name out ! -name err | sort; }
mkdir packed
(cd packed && python3 "$tests/programs/archives.py" ../data)

# ---- The same data ----
succeed "$train" "$small" "${options[@]}" --epochs 2 --data data --out whole
succeed "$train" "$small" "${options[@]}" --epochs 1 --data data --out first
for name in flat.zip stored.ZIP top.zip deep.zip windows.zip dots.tar plain.tar a.tar.gz a.tgz \
    a.tar.bz2 a.tar.xz twice.tar; do
    rm -rf run
    cp -r first run
    succeed "$train" "$small" "${options[@]}" --epochs 2 --data packed/$name --out run --resume
    ! grep -i problem err >&2 || fail "$name: something is wrong with it"
    same_training whole run
    cmp whole/images.tsv run/images.tsv || fail "$name: another list of images"
done
succeed "$train" "$small" "${options[@]}" --epochs 2 --data packed/a.tar.gz --out run
same_training whole run
succeed "$train" "$small" "${options[@]}" --epochs 1 --data packed/top.zip --out run
mv packed/top.zip packed/elsewhere.zip
succeed "$train" "$small" "${options[@]}" --epochs 2 --data packed/elsewhere.zip --out run --resume
same_training whole run
mv packed/elsewhere.zip packed/top.zip
ok "a folder and its archives are the same data: the bits of a run and of resumed ones"

succeed "$train" "$small" "${options[@]}" --epochs 1 --data packed/hard.tar --out run
[[ $(grep -c . run/images.tsv) == $((1 + 5 + 33)) ]] || fail "hard links: $(cat run/images.tsv)"
ok "a hard link of a tar is the picture once more"

rm -rf run
cp -r first run
python3 "$tests/programs/waves.py" other cat,dog,owl,owl-x 8 2
tar -czf other.tar.gz other
refuse 2 "run/" "cat/p00.bmp other contents" \
    "$train" "$small" "${options[@]}" --epochs 2 --data other.tar.gz --out run --resume
ok "an archive of other pictures is refused by their names"

succeed "$train" "$small" --epochs 1 --batch 8 --data packed/splits.zip --out run --cache cache
has out "32 training" "on 11 images"
succeed "$train" "$small" --epochs 1 --batch 8 --data data --out run --cache cache
has err "32 of 32 images"
succeed "$infer" whole/model.safetensors --data packed/val.zip --json
succeed "$infer" whole/model.safetensors --data data --json
ok "splits in an archive; a cache of spectra is found by the pictures' bytes"

# ---- What is told ----
succeed "$train" "$small" "${options[@]}" --epochs 1 --data packed/spoilt.zip --out run
has err "spoilt.zip:cat/bad.png: truncated" "spoilt.zip:cat/x.heic: is HEIC, which fcnn does not read" \
    "spoilt.zip:../up.bmp: its path goes up" "spoilt.zip:cat/notes.txt: not named" \
    "spoilt.zip:cat/deep: a folder inside a class folder" "5 problems"
succeed "$train" "$small" "${options[@]}" --epochs 1 --data packed/links.tar --out run
has err "links.tar:cat/link.bmp: a symbolic link"
succeed "$train" "$small" "${options[@]}" --epochs 1 --data packed/latin.tar --out run
grep -qF 'c\xe4t' run/images.tsv || fail "a name that is no UTF-8: $(head -n 5 run/images.tsv)"
ok "bad pictures and names of an archive are named as archive:path"

python3 -c 'import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[22:26] = b"\xf0\xff\xff\xff" # the size of the first file
open(sys.argv[2], "wb").write(data)' packed/top.zip packed/lying.zip
while read -r name words; do
    refuse 1 "$work/packed/$name" "$words" "$train" "$small" --data "packed/$name" --out never
    ! grep -qF '\x0a' err || fail "a line within a message: $(<err)"
done <<'DATA'
coded.zip    encrypted password
cut.zip      damaged archive
lying.zip    damaged archive size
damaged.zip  damaged archive owl-x/
cut.tar      damaged archive cat/
cut.tar.gz   truncated gzip
lzma.zip     lzma deflation
empty.zip    pictures CIFAR-10 neither
texts.zip    pictures CIFAR-10 neither
photos.zip   none of 0 image files in 2 class folders photos.zip:a/1.heic HEIC
loose.zip    expected a folder for each class loose.zip:1.bmp
text.tar     not a tar or zip archive
DATA
[[ ! -e never ]] || fail "a run's folder was made for data that cannot be read"
refuse 2 "unknown data set" ".zip .tar" "$train" "$small" --data first/report.html --out never
ok "archives that are encrypted, cut, damaged or hold no pictures say so"

# ---- Where the bytes are kept ----
mkdir temporary
before=$(here)
TMPDIR=$work/temporary succeed "$infer" whole/model.safetensors packed/top.zip --csv
[[ $(wc -l <out) == 33 ]] || fail "32 pictures: $(cat out)"
[[ $(here) == "$before" && ! $(ls temporary) ]] || fail "left behind: $(here) $(ls temporary)"
TMPDIR=$work/nowhere refuse 1 "$work/packed/top.zip: its pictures cannot be put into" \
    "nowhere No such TMPDIR" "$train" "$small" --data packed/top.zip --out never
(
    ulimit -f 8
    refuse 1 "packed/top.zip: its pictures cannot be put into" "TMPDIR too large" \
        "$infer" whole/model.safetensors packed/top.zip
)
ok "nothing is left in TMPDIR; a folder that is missing or full is an error"
