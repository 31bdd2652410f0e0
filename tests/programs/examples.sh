#!/usr/bin/env bash
# The examples of examples/, which the tests compile against this build: what they print and write
# is what fcnn-infer says of the same picture, and their faults have a message and an exit code.
# usage: examples.sh BUILD_FOLDER
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

examples=$build/tests/examples
boot=$tests/images/ankle-boot.png
succeed "$train" "$source_root/models/lenet.cfg" --limit 512 --epochs 1 --quiet --out run
model=run/model.safetensors

for source in "$source_root"/examples/*.c; do
    lines=$(wc -l <"$source")
    ((lines < 100)) || fail "$source has $lines lines: an example is short"
done

# ---- predict ----
succeed "$infer" $model "$boot" --top 3 --json
cp out wanted.json
succeed "$examples/predict" $model "$boot"
cp out predicted
python3 - wanted.json predicted <<'P' || fail "predict: $(<predicted) where fcnn-infer: $(<wanted.json)"
import json, sys
wanted = json.load(open(sys.argv[1]))["results"][0]["top"]
lines = open(sys.argv[2]).read().splitlines()
assert len(lines) == 12 and lines[4] == "array[0]" and lines[8] == "array[1]", lines
for line, best in zip(lines[1:4], wanted):
    probability, name = line.split(None, 1)
    assert name == best["class"] and abs(float(probability) - best["probability"]) < 2e-6, (line, best)
P
ok "predict: the three likeliest classes are those of fcnn-infer"

# ---- features ----
if /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    for layer in conv2 ifft1; do
        succeed "$examples/features" $model "$boot" $layer $layer.pgm
        succeed "$infer" $model "$boot" --features $layer $layer.npy
        /usr/bin/python3 - $layer "$tests/programs" <<'P' || fail "features: other maps of $layer"
import sys
sys.path.insert(0, sys.argv[2])
import numpy as np
import numpy_inference as reader

layer = sys.argv[1]
output = np.load(layer + ".npy")[0]
if output.dtype == np.complex64:
    output = reader.to_map(output.astype(np.complex128).T, 13)
channels, size = output.shape[:2]
header, pixels = open(layer + ".pgm", "rb").read().split(b"\n", 1)
assert header == b"P5 %d %d 255" % (size, size * channels), header
found = np.frombuffer(pixels, np.uint8).reshape(output.shape)
low, high = output.min((1, 2), keepdims=True), output.max((1, 2), keepdims=True)
wanted = 255 * (output - low) / np.where(high > low, high - low, 1)
assert abs(found - wanted).max() < 0.51, abs(found - wanted).max()
P
    done
    ok "features: the maps of conv2 and ifft1 are those of fcnn-infer's bands and maps"

    # ---- spectra ----
    succeed "$infer" $model "$boot" --features conv2 conv2.npy
    succeed "$examples/spectra" $model "$boot"
    /usr/bin/python3 - out <<'P' || fail "spectra: $(<out)"
import sys
import numpy as np

energy = abs(np.load("conv2.npy")[0].astype(np.complex128)) ** 2
within = [energy[:, 1:1 + 2 * r * (r + 1)].sum() for r in (1, 3, 4, 6)]
rows = {line.split()[0]: line.split()[1:] for line in open(sys.argv[1])}
found = [float(number) for number in rows["conv2"]]
assert found[0] == 6 and abs(found[1] / within[3] - 1) < 1e-3, (found, within)
assert all(abs(a - b / within[3]) < 2e-4 for a, b in zip(found[2:], within)), (found, within)
assert {"fft1", "conv1", "conv3", "ifft1"} < rows.keys() and "dense1" not in rows, rows.keys()
P
    ok "spectra: the energies of conv2 are those of fcnn-infer's bands"
else
    skip "no NumPy to hold features and spectra against"
fi

# ---- train ----
tiny=$tests/inject/tiny.cfg
succeed "$examples/train" "$tiny" trained.safetensors
has out "epoch 1 of 1: loss " "; validation loss " "finished: trained.safetensors"
succeed "$train" "$tiny" --quiet --out same
cmp trained.safetensors same/model.safetensors || fail "train: other bytes than fcnn-train's"
succeed "$examples/train" "$source_root/models/lenet.cfg" stopped.safetensors 0.1
has out "stopped: stopped.safetensors"
succeed "$info" stopped.safetensors
ok "train: the bytes of fcnn-train's model, and a model where it is stopped"

# ---- Faults ----
refuse 2 "usage: predict MODEL PICTURE" "" "$examples/predict"
refuse 1 "missing.safetensors: " "No such file" "$examples/predict" missing.safetensors "$boot"
refuse 1 "missing.png: " "No such file" "$examples/predict" $model missing.png
refuse 2 "the network has no layer 'conv9'" "conv1" "$examples/features" $model "$boot" conv9 x.pgm
refuse 2 "dense1 gives 128 numbers" "maps" "$examples/features" $model "$boot" dense1 x.pgm
refuse 1 "missing/x.pgm: " "opened" "$examples/features" $model "$boot" conv1 missing/x.pgm
refuse 1 "missing.png: " "No such file" "$examples/spectra" $model missing.png
refuse 2 "usage: train CFG MODEL" "" "$examples/train"
refuse 2 "missing.cfg: " "No such file" "$examples/train" missing.cfg x.safetensors
ok "faults have a message and an exit code"
