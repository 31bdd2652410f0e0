#!/usr/bin/env bash
# The guide "Write your own activation" of DESIGN.md, followed to the letter: its
# code goes into a copy of the sources, which must build, pass the gradient
# checks with a line for the new rule, and train.
# usage: activation_guide.sh BUILD_FOLDER
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

mkdir fcnn
tar -C "$source_root" --exclude='./build*' --exclude=./runs --exclude=./.git -cf - . | tar -C fcnn -xf -
cd "$work/fcnn"

/usr/bin/env python3 - <<'PYTHON'
import re

guide = open("DESIGN.md").read().split("## Write your own activation")[1].split("\n## ")[0]
functions, row, cfg = re.findall(r"```(?:c|ini)\n(.*?)```", guide, re.S)[:3]
path = "framework/rules.h"
text = open(path).read()
mark = "/* ---- The tables"
assert text.count(mark) == 1, "the guide's place for the functions is gone"
text = text.replace(mark, functions + "\n" + mark)
old = re.search(r"#define FCNN_PER_BIN_RULES\(ROW\).*?ROW\(ctanh, false\)", text, re.S).group(0)
text = text.replace(old, old + " \\\n" + row.rstrip())
open(path, "w").write(text)
open("guide.cfg", "w").write(open("models/lenet.cfg").read().replace(
    "activation=srelu\nwindow=3\n", cfg))
PYTHON

cmake -S . -B build -DFCNN_CUDA=OFF -DFCNN_WERROR=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 >cmake.log 2>&1 || { tail -30 cmake.log; exit 1; }
cmake --build build -j2 --target fcnn-train fcnn-info fcnn-convert test_ops_rules test_ops_per_bin \
    >build.log 2>&1 || { tail -30 build.log; exit 1; }

build/tests/test_ops_rules >rules.log
build/tests/test_ops_per_bin >per_bin.log
grep -h "cardioid" rules.log per_bin.log | sed 's/^/guide: /'
[ "$(grep -hc "cardioid.*ok" per_bin.log)" -ge 1 ] || fail "no gradient line of the new rule"

build/fcnn-info guide.cfg --channels 1 --classes 10 | grep -q "every layer between fft and ifft is resident"
build/fcnn-train guide.cfg --data synthetic:classes=4,size=28,channels=1,train=512,val=128 \
    --epochs 4 --set net.learning_rate=0.002 --out run >train.log 2>&1 || { cat train.log; exit 1; }
accuracy=$(tail -1 run/log.csv | cut -d, -f6)
echo "guide: a network with the new activation reaches validation accuracy $accuracy"
awk -v a="$accuracy" 'BEGIN { exit !(a > 0.5) }'
# ONNX has no such operator, and nothing is made up for it.
refuse 1 "" "conv1.activation ONNX cardioid" build/fcnn-convert run/model.safetensors --onnx x.onnx
