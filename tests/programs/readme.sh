#!/usr/bin/env bash
# What the README shows must run: its Python reads a saved model and is the ten
# lines of read_model.py; its C program builds against the library and classifies.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# block LANGUAGE: the README's first block of code in this language.
block() { awk -v open="\`\`\`$1" '$0 == open { on = 1; next } /^```/ && on { exit } on' "$source_root/README.md"; }

succeed "$train" "$source_root/models/lenet.cfg" --limit 640 --epochs 1 --save spectral --out model

block python >read.py
cmp read.py "$tests/programs/read_model.py" || fail "the README's Python differs from read_model.py"
[[ $(wc -l <read.py) -le 10 ]] || fail "more than ten lines"
python3=/usr/bin/python3
succeed $python3 read.py model/model.safetensors
has out "Ankle boot" "conv1.spectrum complex64 (365, 16, 1)" "dense2.weight"
ok "the README's ten lines of Python read a spectral model"

awk '/^## Use the library/ { on = 1 } on' "$source_root/README.md" |
    awk '$0 == "```c" { on = 1; next } /^```/ && on { exit } on' >classify.c
succeed cc -std=c11 -Wall -Wextra -Werror classify.c -I "$source_root/include" \
    -I "$source_root/framework" -I "$source_root/data" -L "$build" \
    -Wl,-rpath,"$build" -lfcnn -o classify
succeed ./classify model/model.safetensors "$tests/images/trouser.png"
cp out ours
succeed "$infer" model/model.safetensors "$tests/images/trouser.png" --top 10
[[ $(sort ours | sed 's/ \([0-9.]*\)$/=\1/') == $(tail -n +2 out | sed -E 's/^ +//; s/ +([0-9.]+)$/=\1/' | sort) ]] ||
    fail "the README's program and fcnn-infer differ: $(cat ours out)"
ok "the README's C program builds and classifies as fcnn-infer does"
refuse_line=$(./classify 2>&1 || true)
[[ $refuse_line == "model image" ]] || fail "without arguments: $refuse_line"
