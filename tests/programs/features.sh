#!/usr/bin/env bash
# What fcnn-infer shows of a network: the page of --picture, well formed and by itself, for a
# network of spectra and for one in space; and the arrays of --features, whose numbers an
# independent forward pass in NumPy gives too.
# usage: features.sh BUILD_FOLDER
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

boot=$tests/images/ankle-boot.png
shirt=$tests/images/shirt.png
succeed "$train" "$source_root/models/lenet.cfg" --limit 256 --epochs 1 --quiet --save spectral \
    --out spectral
succeed "$train" "$source_root/models/lenet.cfg" --limit 256 --epochs 1 --quiet \
    --set net.domain=space --out space
model=spectral/model.safetensors

# ---- --picture ----
for name in spectral space; do
    succeed "$infer" $name/model.safetensors "$boot" --picture $name.html
    python3 "$tests/programs/check_report.py" $name.html >page
    ok "$name: the page is whole: $(tr '\n' ' ' <page)"
    for words in 'ankle-boot.png' 'conv1' 'fourier_pool1 keeps 13&times;13' 'ifft1' 'logit'; do
        grep -q "$words" $name.html || fail "$name.html says nothing of $words"
    done
done
grep -q '6 of the 7 layers before the classifier give spectra' spectral.html ||
    fail "spectral.html: $(grep lead spectral.html)"
grep -q 'every layer computes in space' space.html || fail "space.html: $(grep lead space.html)"
ok "each layer, the pools and the classifier are named"

# ---- The same as a figure ----
cat >look.py <<'P'
import struct, sys, zlib
body = open(sys.argv[1], "rb").read()
assert body[:8] == b"\x89PNG\r\n\x1a\n" and body[37:45] == b"tEXtfcnn"
width, height = struct.unpack(">II", body[16:24])
data, at = b"", 8
while at < len(body):
    length, kind = struct.unpack(">I4s", body[at:at + 8])
    assert zlib.crc32(body[at + 4:at + 8 + length]) == struct.unpack(">I", body[at + 8 + length:at + 12 + length])[0]
    data += body[at + 8:at + 8 + length] if kind == b"IDAT" else b""
    at += 12 + length
rows = zlib.decompress(data)
assert width == 1800 and len(rows) == height * (1 + 3 * width), (width, height, len(rows))
blank = sum(rows[y * (1 + 3 * width) + 1:(y + 1) * (1 + 3 * width)] == b"\xff" * 3 * width for y in range(height))
assert blank < height / 4, (blank, height)
print(height)
P
for name in spectral space; do
    succeed "$infer" $name/model.safetensors "$boot" --picture $name.png
    python3 look.py $name.png >height || fail "$name.png is no figure"
    cp $name.png before.png
    succeed "$infer" $name/model.safetensors "$boot" --picture $name.png # its own kind is replaced
    cmp $name.png before.png || fail "$name.png: another figure of the same"
    ok "$name: a figure of 1800 x $(<height) pixels"
done
cp "$boot" mine.png
refuse 2 "--picture mine.png" "another kind" "$infer" $model "$boot" --picture mine.png
cmp "$boot" mine.png || fail "a picture was replaced by a figure"
refuse 2 "--picture figure.jpg" ".html .png" "$infer" $model "$boot" --picture figure.jpg
run "$infer" $model "$boot" --picture missing/figure.png
[[ $code == 1 ]] || fail "a folder that is not there: exit code $code"
run "$infer" $model missing.png --picture new.png
[[ $code == 1 && ! -e new.png ]] || fail "a picture that is not there: exit code $code"
ok "a figure replaces figures alone"

run "$infer" $model "$boot" "$shirt" --picture page.html
[[ $code == 2 && ! -e page.html ]] || fail "two pictures: exit code $code"
echo '<!DOCTYPE html> kept' >page.html
run "$infer" $model "$boot" --picture missing/page.html
[[ $code == 1 ]] || fail "a folder that is not there: exit code $code"
run "$infer" $model missing.png --picture page.html
[[ $code == 1 && $(<page.html) == *kept ]] || fail "a picture that is not there: exit code $code"
ok "a page that cannot be made leaves an earlier one"

# ---- --features ----
succeed "$infer" $model --features conv2 conv2.npy "$boot" "$shirt"
succeed "$infer" $model "$boot" "$shirt" --features ifft1 ifft1.npy
succeed "$infer" $model "$boot" "$shirt" --features dense1 dense1.npy
if ! /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
    skip "no NumPy to read the arrays with"
else
    /usr/bin/python3 - "$tests/programs" $model "$boot" "$shirt" <<'P'
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import numpy_inference as reader

metadata, tensors = reader.read_model(sys.argv[2])
ours = {name: np.load(name + ".npy") for name in ("conv2", "ifft1", "dense1")}
assert ours["conv2"].dtype == np.complex64 and ours["conv2"].shape == (2, 32, 85)
assert ours["ifft1"].dtype == np.float32 and ours["ifft1"].shape == (2, 64, 7, 7)
assert ours["dense1"].shape == (2, 128)
for i, picture in enumerate(sys.argv[3:]):
    output = dict(reader.forward(metadata, tensors, reader.read_png(picture)))
    theirs = output["ifft1"]
    error = abs(ours["ifft1"][i] - theirs).max() / abs(theirs).max()
    assert error < 1e-5, error
    print(f"ok    ifft1 of picture {i}: largest difference {error:.1e} of its largest number")
P
fi

run "$infer" $model "$boot" --features conv9 out.npy
[[ $code == 2 ]] && grep -q 'conv2' err || fail "a layer that is not there: $code $(<err)"
run "$infer" $model "$boot" --features conv2
[[ $code == 2 ]] && grep -q 'two values' err || fail "one value: $code $(<err)"
run "$infer" $model "$boot" missing.png "$shirt" --features dense1 some.npy
[[ $code == 1 && -s some.npy ]] || fail "a picture that is not there: exit code $code"
cmp -s -n 100 some.npy dense1.npy && fail "three pictures make an array of two"
ok "a layer without a name, a value or a picture is an error"
