#!/usr/bin/env bash
# fcnn-infer over folders and archives: every picture once, in order, as one by one; what cannot be
# read is named, and the rest goes on; Ctrl-C leaves whole lines; a bar for a terminal.
source "$(dirname "$0")/common.sh"
python3 "$tests/programs/waves.py" data cat,dog,owl,owl-x 12
succeed "$train" "$small" --data data --epochs 4 --batch 8 --threads 1 --out run
model=run/model.safetensors

# check_csv EXPRESSION: of the rows of `out`, which are lists.
check_csv() {
    python3 -c "import csv; head, *rows = csv.reader(open('out'))
assert head == ['file', 'rank', 'class', 'probability'], head
assert all(len(row) == 4 and 0 <= float(row[3]) <= 1 for row in rows), rows
assert $1, rows" || fail "--csv: $(head -n 50 out) $(head err)"
}

# ---- All pictures, in order ----
mkdir -p "photos/2 b/inner" photos/10 photos/.hidden photos/__MACOSX
cp data/cat/p00.bmp photos/10/z.bmp
cp data/dog/p00.bmp "photos/2 b/inner/a,\"1\".BMP"
cp data/owl/p00.bmp "photos/2 b/inner.bmp"
cp data/owl/p01.bmp photos/A.bmp
cp data/owl/p02.bmp photos/=b.bmp
cp data/owl/p03.bmp $'photos/c\xe9\n.bmp'
cp data/cat/p00.bmp photos/.hidden/x.bmp
cp data/cat/p00.bmp photos/__MACOSX/x.bmp
succeed "$infer" $model photos --csv
[[ ! -s err ]] || fail "nothing is to be told: $(cat err)"
check_csv "[row[0] for row in rows] == ['photos/10/z.bmp', 'photos/2 b/inner/a,\"1\".BMP',
    'photos/2 b/inner.bmp', 'photos/=b.bmp', 'photos/A.bmp', 'photos/c\\\\xe9\\\\x0a.bmp']"
cp out first
for options in "--threads 1" "--threads 3"; do
    # shellcheck disable=SC2086
    succeed "$infer" $model photos/ --csv $options
    cmp first out || fail "$options: another output"
done
(cd photos && zip -qr ../photos.zip . 2>/dev/null) || python3 -c "import shutil
shutil.make_archive('photos', 'zip', 'photos')"
succeed "$infer" $model photos.zip --csv
check_csv "len(rows) == 6 and rows[0][0] == 'photos.zip:10/z.bmp'"
diff <(cut -d, -f3- first | tail -n +2 | sort) <(cut -d, -f3- out | tail -n +2 | sort) ||
    fail "an archive gives others than its folder"
ok "a folder's pictures, in the folders in it too, in the order of their names; an archive's too"

succeed "$infer" $model data --csv --top 4
check_csv "len(rows) == 4 * 48 and [row[1] for row in rows] == ['1', '2', '3', '4'] * 48"
check_csv "all(abs(sum(float(row[3]) for row in rows[i:i + 4]) - 1) < 1e-5 for i in range(0, 192, 4))"
check_csv "all(float(a[3]) >= float(b[3]) for a, b in zip(rows, rows[1:]) if b[1] != '1')"
cp out together
for file in data/*/*.bmp; do "$infer" $model "$file" --csv --top 4 --threads 1 | tail -n +2; done >single
python3 - <<'P' || fail "a picture in a batch and alone"
import csv
a, b = sorted(csv.reader(open("together")))[:-1], sorted(csv.reader(open("single")))
assert [row[:3] for row in a] == [row[:3] for row in b]
assert max(abs(float(x[3]) - float(y[3])) for x, y in zip(a, b)) < 5e-6
P
succeed "$infer" $model data --limit 5 --csv
check_csv "len(rows) == 5"
ok "together as one by one"

succeed "$infer" $model photos data/dog photos/A.bmp --json --top 2
python3 -c "import json
found = json.load(open('out'))['results']
assert len(found) == 6 + 12 + 1 and all(len(entry['top']) == 2 for entry in found)
assert found[0]['file'] == 'photos/10/z.bmp' and found[-1]['file'] == 'photos/A.bmp'" || fail "--json: $(cat out)"
succeed "$infer" $model photos
[[ $(wc -l <out) == 12 && $(sed -n 1p out) == photos/10/z.bmp ]] || fail "as text: $(cat out)"
ok "several folders and files, as JSON and as text"

# ---- What cannot be read ----
cp -r data mixed
head -c 40 "$tests/images/shirt.png" >mixed/cat/cut.png
printf '\0\0\0\x18ftypheic' >mixed/dog/phone.HEIC
cp mixed/dog/phone.HEIC mixed/dog/renamed.jpg
: >mixed/dog/empty.gif
printf '%%PDF-1.4' >mixed/dog/scan.pdf
echo text >mixed/notes.txt
ln -s .. mixed/owl/up
ln -s nowhere.jpg mixed/owl/gone.jpg
run "$infer" $model mixed --csv
[[ $code == 1 ]] || fail "exit code $code"
check_csv "len(rows) == 48"
has err "fcnn-infer: mixed/cat/cut.png: truncated" \
    "mixed/dog/phone.HEIC: is HEIC, which fcnn does not read; expected JPEG" \
    "mixed/dog/renamed.jpg: expected a JPEG, PNG, WebP, TIFF, BMP or GIF image, found a HEIC image" \
    "mixed/dog/empty.gif: truncated: the file is empty" "mixed/dog/scan.pdf: is PDF" \
    "mixed/owl/gone.jpg: cannot be read: No such file" "mixed/notes.txt: not named .jpg" \
    "mixed/owl/up: a link back" "6 of 54 pictures could not be read:" "2 other files left out"
[[ $(grep -c cut.png err) == 2 ]] || fail "named once more at the end: $(cat err)"
run "$infer" $model mixed/cat mixed/dog/scan.pdf --json
[[ $code == 1 ]] || fail "exit code $code"
has err "mixed/dog/scan.pdf: expected a JPEG" "found a PDF" "2 of 14 pictures could not be read, named above"
rm mixed/*/{cut.png,phone.HEIC,renamed.jpg,empty.gif,scan.pdf,gone.jpg} 2>/dev/null || true
succeed "$infer" $model mixed --csv # texts and links are no failure
ok "what cannot be read is named, twice where many lines are between, and the exit code is 1"

mkdir -p empty/er
echo x >empty/er/list.txt
refuse 1 "empty: expected pictures named .jpg" "none list.txt" "$infer" $model empty
run "$infer" $model empty data/cat nowhere --csv
[[ $code == 1 ]] || fail "exit code $code"
check_csv "len(rows) == 12"
has err "empty: expected pictures" "nowhere: cannot be read" "2 of 14 pictures"
refuse 2 "--picture is of one picture" "data 48" "$infer" $model data --picture page.html
ok "a folder without pictures says so, and others beside it go on"

# ---- Many ----
mkdir many
for ((i = 0; i < 3000; i++)); do echo "many/$i.bmp"; done | xargs -n 500 python3 -c 'import os, sys
for name in sys.argv[1:]: os.link("data/cat/p00.bmp", name)'
# The pipe holds less than the output: the program waits for its reader until it is interrupted.
cat >stop.py <<'P'
import signal, subprocess, sys
run = subprocess.Popen(["env", "--default-signal=INT"] + sys.argv[1:], stdout=subprocess.PIPE)
first = b"".join(run.stdout.readline() for line in range(30))
run.send_signal(signal.SIGINT)
rest = run.communicate()[0]
open("out", "wb").write(first + rest)
sys.exit(run.returncode)
P
for form in --csv --json; do
    code=0
    python3 stop.py "$infer" $model many --top 4 $form --threads 1 2>err || code=$?
    [[ $code == 130 ]] || fail "exit code $code after Ctrl-C: $(cat err)"
    if [[ $form == --csv ]]; then
        check_csv "30 < len(rows) < 12000 and len(rows) % 4 == 0"
    else
        python3 -c "import json; assert 28 < len(json.load(open('out'))['results']) < 3000" ||
            fail "JSON: $(tail -n 3 out)"
    fi
    has err "of 3000 pictures were looked at"
done
ok "Ctrl-C ends it, and what was printed is whole"

python3 - "$infer" $model data <<'P' || fail "no bar on a terminal"
import os, pty, subprocess, sys
master, slave = pty.openpty()
found = subprocess.run(sys.argv[1:] + ["--csv"], stdout=subprocess.PIPE, stderr=slave, check=True)
os.close(slave)
shown = b""
while True:
    try:
        part = os.read(master, 65536)
    except OSError:
        break
    if not part:
        break
    shown += part
assert b"classifying" in shown and b"48/48" in shown and b"pictures/s" in shown, shown
assert found.stdout.count(b"\n") == 49, found.stdout
P
ok "a terminal has a bar, and standard output the results alone"
