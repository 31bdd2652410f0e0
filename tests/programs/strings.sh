#!/usr/bin/env bash
# Names that a user may give to folders, files and classes go into cfgs, models, tables, commands
# and terminals, and come out of them as they were, or in a form that is safe there.
source "$(dirname "$0")/common.sh"
short=("$small" --threads 1 --quiet --epochs 1 --val-fraction 0.25 --set net.schedule=constant)
pictures() { PYTHONDONTWRITEBYTECODE=1 python3 "$tests/programs/pictures.py" "$@"; }

# visible FILE...: no control characters but line ends and tabs; of UTF-8 no other controls and no
# overrides of direction.
visible() {
    python3 - "$@" <<'END' || fail "control characters in: $*"
import re, sys
for name in sys.argv[1:]:
    text = open(name, encoding="utf-8", newline="").read()
    found = re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", text)
    assert not found, (name, text[max(found.start() - 40, 0):found.end() + 40])
END
}

# setting MODEL: the cfg inside it.
setting() {
    python3 - "$1" <<'END'
import json, struct, sys
with open(sys.argv[1], "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
sys.stdout.write(header["__metadata__"]["config"])
END
}

# ---- Folders ----
escape=$'\e' nbsp=$'\xc2\xa0'
folders=('pics #2' 'a;b' 'roses ' ' roses' $'two\nlines' $'tab\t' "it's" '"quoted"' 'back\slash\'
    $'latin-\xe9' "$escape[31mred" '=1+1' '[net]' '$(id)' $'return\r' '%s%n' '~' '*'
    "${nbsp}wide$nbsp" $'c1-\xc2\x9b' $'turned-\xe2\x80\xae' "$(printf 'n%.0s' {1..255})")
pictures plain 8 a b
for i in "${!folders[@]}"; do
    name=${folders[i]} shown=$(printf %q "${folders[i]}")
    mkdir "$i"
    cp -r plain "$i/$name"
    succeed "$train" "${short[@]}" --data "$i/$name" --cache "caches/$name" --out "runs/$name"
    visible out err
    succeed "$train" "${short[@]}" --data "$i/$name" --cache "caches/$name" --out "runs/$name" \
        --epochs 2 --resume
    succeed "$infer" "runs/$name/model.safetensors" --data "$i/$name"
    visible out err
    # The cfg of the model, as a file, names the folder.
    setting "runs/$name/model.safetensors" >saved.cfg
    visible saved.cfg
    succeed "$train" saved.cfg --threads 1 --quiet --epochs 1 --out again
    rm -r again "$i"
done
ok "${#folders[@]} names of folders: trained on, saved, resumed, scored, read from the saved cfg"

# ---- The command that goes on ----
name=$'a\'b "c" \e[31m\n$(touch here)\\ \xe9 #'
pictures "$name" 8 a b
begun() { [[ -e "out $name/log.csv" ]]; }
interrupt 0.05 begun "$train" "$small" --threads 1 --quiet --val-fraction 0.25 --data "$name" \
    --out "out $name" --epochs 1000000
[[ $code == 130 ]] || fail "exit code $code after Ctrl-C: $(cat err)"
visible err
command=$(sed -n 's/^to go on: //p' err)
lines=$(wc -l <"out $name/log.csv")
grown() { (($(wc -l <"out $name/log.csv") > lines)); }
interrupt 0.05 grown bash -c "exec $command"
[[ $code == 130 ]] || fail "the command that goes on: $command: $(cat err)"
[[ ! -e here ]] || fail "a part of a name was run: $command"
ok "the printed command goes on: $command"

# ---- Classes ----
classes=("$escape[31mred" '=1+1' '-5' '+cmd' '@x' 'a,b"c' $'new\nline' $'latin-\xe9' $'\xef\xbc\x9d1'
    $'turned-\xe2\x80\xae' ' x ' '<b>&amp;' '%s' 'back\slash')
pictures classes 8 "${classes[@]}"
succeed "$train" "${short[@]}" --data classes --out named
visible out err named/confusion.csv named/report.html named/log.csv
succeed "$train" "${short[@]}" --data classes --out named --epochs 2 --resume
succeed "$info" named/model.safetensors
visible out
picture=$'=x,"\e[31m\n\xe9.png'
cp plain/a/0.png "$picture"
succeed "$infer" named/model.safetensors "$picture" --top 20
visible out
succeed "$infer" named/model.safetensors "$picture" --top 20 --csv
visible out
mv out rows.csv
succeed "$infer" named/model.safetensors "$picture" --top 20 --json
visible out
mv out all.json
python3 - <<'END' || fail "the tables: $(cat rows.csv all.json named/confusion.csv)"
import csv, json
shown = {"\\x1b[31mred", "=1+1", "-5", "+cmd", "@x", 'a,b"c', "new\\x0aline", "latin-\\xe9",
         "\uff1d1", "turned-\\xe2\\x80\\xae", " x ", "<b>&amp;", "%s", "back\\slash"}
cells = {("'" if n[0] in "=+@\uff1d" else "") + n for n in shown}
rows = list(csv.DictReader(open("rows.csv", encoding="utf-8", newline="")))
assert {row["class"] for row in rows} == cells and len(rows) == len(cells)
assert {row["file"] for row in rows} == {"'=x,\"\\x1b[31m\\x0a\\xe9.png"}
matrix = list(csv.reader(open("named/confusion.csv", encoding="utf-8", newline="")))
assert set(matrix[0][1:]) == cells and len(matrix) == 1 + len(cells)
result = json.load(open("all.json", encoding="utf-8"))["results"][0]
assert {entry["class"] for entry in result["top"]} == shown
assert result["file"] == "=x,\"\\x1b[31m\\x0a\\xe9.png"
END
ok "${#classes[@]} class names in tables, JSON, the report and on the terminal; no cell is a formula"

# A model may have been made elsewhere, with any names in it.
python3 - named/model.safetensors <<'END'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
def write(path):
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size:])
names = json.loads(header["__metadata__"]["class_names"])
names[:4] = ["\x1b]0;title\x07", "\u009b31m", "\u202eabc", "a\tb\x7f"]
header["__metadata__"]["class_names"] = json.dumps(names)
header["__metadata__"]["\x1b[31m"] = "x"
write("other.safetensors")
header["odd\x1b[31m\n"] = header.pop("dense1.bias")
write("odd.safetensors")
header["__metadata__"]["config"] = "[net]\ndata=x\n\x1b[31m"
write("bad.safetensors")
END
run "$info" odd.safetensors
has out 'odd\x1b[31m\x0a'
visible out err
refuse 1 "the cfg inside bad.safetensors:3" "\x1b[31m" "$infer" bad.safetensors plain/a/0.png
visible err
for options in "" --csv --json; do
    # shellcheck disable=SC2086
    succeed "$infer" other.safetensors plain/a/0.png --top 20 $options
    visible out err
done
python3 -c 'import json; names = [e["class"] for e in json.load(open("out"))["results"][0]["top"]]
assert {"\x1b]0;title\x07", "\u009b31m", "\u202eabc", "a\tb\x7f"} <= set(names), names' ||
    fail "JSON has to hold a model's names as they are: $(cat out)"
ok "a model with commands to the terminal in its names"

# ---- Byte order marks and ends of lines ----
{
    printf '\xef\xbb\xbf'
    sed 's/$/\r/' "$small"
} >marked.cfg
constant=(--set net.schedule=constant)
succeed "$train" marked.cfg "${constant[@]}" --threads 1 --quiet --epochs 1 --out marked
succeed "$train" "$small" "${constant[@]}" --threads 1 --quiet --epochs 1 --out unmarked
cmp marked/model.safetensors unmarked/model.safetensors || fail "a byte order mark changes a model"
{
    printf '\xef\xbb\xbf'
    sed 's/$/\r/' marked/log.csv
} >log.csv
mv log.csv marked/log.csv
succeed "$train" marked.cfg "${constant[@]}" --threads 1 --quiet --epochs 2 --out marked --resume
[[ -e marked/report.html ]] || fail "no report of a log with a byte order mark"
python3 - <<'END'
import os, struct
os.mkdir("idx")
for split, count in (("train", 16), ("t10k", 4)):
    with open(f"idx/{split}-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, count, 8, 8) + bytes(range(64)) * count)
    with open(f"idx/{split}-labels-idx1-ubyte", "wb") as file:
        file.write(struct.pack(">II", 0x801, count) + bytes(i % 2 for i in range(count)))
END
idx=("$train" "$small" --threads 1 --quiet --epochs 1 --data idx --out fromidx)
printf '\xef\xbb\xbfcat\r\nros\xe9\r\n\r\n' >idx/classes.txt
succeed "${idx[@]}"
[[ $(head -n 1 fromidx/confusion.csv) == 'label,cat,ros\xe9' ]] || fail "$(cat fromidx/confusion.csv)"
printf 'cat\0\nrose\n' >idx/classes.txt
refuse 1 "$work/idx/classes.txt:1" "zero byte" "${idx[@]}"
printf 'cat\n' >idx/classes.txt
refuse 1 "$work/idx: " "label expected class names classes.txt found 1" "${idx[@]}"
printf '\xff\xfec\0a\0t\0' >idx/classes.txt
refuse 1 "$work/idx/classes.txt" "UTF-16" "${idx[@]}"
mkdir -p alike/$'\xe9' 'alike/\xe9'
cp "$tests/images/shirt.png" alike/$'\xe9'
cp "$tests/images/ankle-boot.png" 'alike/\xe9'
refuse 1 "$work/alike: two class folders" 'both \xe9 rename' "$train" "$small" --data alike --out never
iconv -f UTF-8 -t UTF-16 "$small" >wide.cfg
refuse 2 wide.cfg "UTF-16 UTF-8" "$train" wide.cfg
ok "byte order marks are passed over in cfgs, class names and logs; UTF-16 is refused"

# ---- Too long ----
long=$(printf '/long%.0s' {1..1000})
refuse 2 "" "too long" "$train" "$small" --data "$long"
refuse 2 "--out /long" "longer than" "$train" "$small" --out "$long"
refuse 2 "--cache /long" "longer than" "$train" "$small" --cache "$long"
refuse 2 "" "longer than" "$train" "$small" --set "net.data=${long:1}"
refuse 2 "/long" "too long" "$train" "$long"
refuse 1 "/long" "too long" "$infer" named/model.safetensors "$long"
refuse 2 "" "too long" "$build/fcnn-convert" named/model.safetensors --form spectral --out "$long"
ok "paths that are too long are refused, with the reason"
