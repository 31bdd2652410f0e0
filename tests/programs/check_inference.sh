#!/bin/sh
# Trains a small spectral model and compares fcnn-infer's probabilities with
# those of numpy_inference.py, an independent float64 reading of the same file.
# Usage: check_inference.sh BUILD_FOLDER
# One line a picture; exit 0 all agree, 1 not, 77 skipped (numpy is missing).
set -eu

if [ $# -ne 1 ] || [ ! -x "$1/fcnn-train" ]; then
    echo "usage: check_inference.sh BUILD_FOLDER (the one that holds fcnn-train)" >&2
    exit 2
fi
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
python=/usr/bin/python3
if ! "$python" -c 'import numpy' 2>/dev/null; then
    echo "skipped: $python has no numpy (Debian's package python3-numpy)" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here"/../images/*.png "$work"

# Other sizes than 28x28, all five row filters: a side of 26 reaches the Nyquist
# bins, 9 lacks bins of the band, 61x40 has more than the band.
"$python" - "$work" <<'EOF'
import struct, sys, zlib
import numpy as np

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

def paeth(a, b, c):
    distance = np.abs([b - c, a - c, a + b - 2 * c])
    return np.where((distance[0] <= distance[1]) & (distance[0] <= distance[2]), a,
                    np.where(distance[1] <= distance[2], b, c))

for height, width in (26, 26), (9, 20), (61, 40):
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(height).normal(0, 25, (height, width))
    wave = 128 + 70 * np.sin(9 * y / height) * np.cos(5 * x / width)
    pixels = np.clip(wave + noise, 0, 255).astype(int)
    left, up, corner = (np.pad(pixels, 1)[1 - dy:height + 1 - dy, 1 - dx:width + 1 - dx]
                        for dy, dx in ((0, 1), (1, 0), (1, 1)))
    guesses = 0 * pixels, left, up, (left + up) // 2, paeth(left, up, corner)
    rows = b"".join(bytes([n % 5]) + ((pixels - guesses[n % 5])[n] % 256).astype("u1").tobytes()
                    for n in range(height))
    with open(f"{sys.argv[1]}/made-{height}x{width}.png", "wb") as out:
        out.write(b"\x89PNG\r\n\x1a\n"
                  + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
                  + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

# One of 16 bits, in which the lower byte matters.
y, x = np.mgrid[:30, :28]
deep = (3000 + 2000 * np.sin(7 * y / 30) * np.cos(4 * x / 28)).astype(">u2")
with open(f"{sys.argv[1]}/made-deep.png", "wb") as out:
    out.write(b"\x89PNG\r\n\x1a\n"
              + chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 30, 16, 0, 0, 0, 0))
              + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in deep)))
              + chunk(b"IEND", b""))
EOF
cd "$work" # so that pictures go by their names

# Prints a message and a file, and fails.
fail() {
    echo "$1" >&2
    cat "$2" >&2
    exit 1
}

# form, weights for fcnn-infer; the pictures are those of this folder.
compare() {
    "$build/fcnn-infer" "$2" ./*.png --top 10 --json >infer.json 2>infer.log ||
        fail "fcnn-infer failed:" infer.log
    echo "$(basename "$cfg"), $1:"
    "$python" "$here/numpy_inference.py" run/model.safetensors ./*.png --compare infer.json
}

check() {
    cfg=$1
    rm -rf run
    "$build/fcnn-train" "$cfg" --data fashion-mnist --limit 2000 --epochs 1 --save spectral \
        --out run >train.log 2>&1 || fail "fcnn-train failed:" train.log
    "$python" "$here/read_model.py" run/model.safetensors >tensors.txt
    grep -q '^conv1.spectrum complex64 (365, 16, 1)$' tensors.txt ||
        fail "read_model.py: expected conv1.spectrum of 365 bins x 16 x 1, found:" tensors.txt
    compare "spectral form" run/model.safetensors
    # The same weights with taps and norms apart: checks what the spectral form folds.
    compare "compact form" run/checkpoint.safetensors
    # Float32 and float64 cannot agree to the last bit: shows that a difference is seen.
    if "$python" "$here/numpy_inference.py" run/model.safetensors ./*.png --compare infer.json \
        --tolerance 0 >zero.txt; then
        fail "the comparison found no difference at tolerance 0, so it compares nothing:" zero.txt
    fi
}

check "$here/../../models/lenet.cfg"
check "$here/../../models/lenet-fused.cfg"
