#!/usr/bin/env bash
# What the README shows must run: its Python on arrays of noise; read_model.py; its C program builds
# against the library and classifies.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# block LANGUAGE: the README's first block of code in this language.
block() { awk -v open="\`\`\`$1" '$0 == open { on = 1; next } /^```/ && on { exit } on' "$source_root/README.md"; }

succeed "$train" "$source_root/models/lenet.cfg" --limit 640 --epochs 1 --save spectral --out model

python3=/usr/bin/python3
[[ $(wc -l <"$tests/programs/read_model.py") -le 10 ]] || fail "more than ten lines"
succeed $python3 "$tests/programs/read_model.py" model/model.safetensors
has out "Ankle boot" "conv1.spectrum complex64 (365, 16, 1)" "dense2.weight"
ok "ten lines of Python read a spectral model"

# A sanitizer's library is none for an interpreter without it.
if sanitized; then
    skip "the README's Python: the library has a sanitizer's checks"
elif ! $python3 -c 'import numpy, torch, matplotlib' 2>log; then
    skip "the README's Python: $(tail -n 1 log)"
else
    {
        echo 'import numpy as np'
        echo 'x, y = np.random.default_rng(1).integers(0, 256, (64, 28, 28)).astype(np.uint8), np.arange(64) % 4'
        echo 'xv, yv, pictures = x[:16], y[:16], x[:3]'
        block python
    } >readme.py
    FCNN_LIBRARY=$build/libfcnn.so PYTHONPATH=$source_root/python MPLBACKEND=Agg succeed $python3 readme.py
    [[ -s lenet.onnx && -s lenet.safetensors ]] || fail "the README's Python has written no model"
    ok "the README's Python runs"
fi

awk '/^## From C/ { on = 1 } on' "$source_root/README.md" |
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
