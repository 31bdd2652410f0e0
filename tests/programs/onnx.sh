#!/usr/bin/env bash
# fcnn-convert --onnx: every kind of network as an ONNX file. python3-onnx checks each file and
# infers its shapes; ONNX Runtime, where npm can install it, computes the logits that fcnn does, to
# 1e-4 of the largest.
source "$(dirname "$0")/common.sh"
convert=$build/fcnn-convert
peer=$build/tests/onnx_peer
models=$source_root/models

# Debian's python3 has its modules; another one in PATH may not.
python=
for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import onnx' 2>/dev/null; then
        python=$candidate
        break
    fi
done

source "$tests/onnx/runtime.sh"

# ---- One network ----

checked=()
declare -A sizes

# compare NAME MODEL SIZE: writes MODEL as NAME.onnx for images of this size and compares.
compare() {
    local name=$1 model=$2 size=$3
    succeed "$convert" "$model" --onnx "$name.onnx" --size "$size"
    has out "opset 13" "onnx: $name.onnx"
    checked+=("$name.onnx")
    sizes[$name]=$size
    [[ ! $reason ]] || return 0
    mkdir -p "$name"
    succeed "$peer" run "$model" "$name" 5 "$size"
    succeed node "$tests/onnx/compare.js" "$runtime" "$name.onnx" "$name" 3
    python3 - "$name" "${4:-1e-4}" <<'END' || fail "$name: ONNX Runtime has other logits: $(<out)"
import json, sys
name, most = sys.argv[1], float(sys.argv[2])
result = json.load(open("out"))
print(f'      {name}: {result["difference"]:.1e} of the largest logit')
sys.exit(not (result["difference"] <= most and result["softmax"] <= 1e-6 and
              result["largest"] > 1e-3))
END
}

# network NAME CFG CHANNELS SIZE FRACTION [KEY=VALUE...]
network() {
    local name=$1 cfg=$2 channels=$3 size=$4 fraction=$5
    shift 5
    succeed "$peer" make "$cfg" "$name.safetensors" "$channels" "$fraction" "$@"
    compare "$name" "$name.safetensors" "$size"
}

# cfg NAME LINE...: a network of these sections, "conv filters=4 size=3", behind the line of [fft].
cfg() {
    local line words
    local file=$1.cfg
    echo "[net]" >"$file"
    shift
    for line in "$@" ifft "dense units=classes" softmax; do
        read -ra words <<<"$line"
        echo "[${words[0]}]"
        printf '%s\n' "${words[@]:1}"
    done >>"$file"
}

# layers NAME CHANNELS SIZE FRACTION LINE...
layers() {
    local name=$1 channels=$2 size=$3 fraction=$4
    shift 4
    cfg "$name" "$@"
    network "$name" "$name.cfg" "$channels" "$size" "$fraction"
}

# ---- The networks of models/, the large ones with fewer filters and smaller maps ----

few=(dense[1].units=24 dense[2].units=16)
network lenet "$models/lenet.cfg" 1 28x28 0
network fused "$models/lenet-fused.cfg" 1 28x28 0
network cifar10 "$models/cifar10.cfg" 3 32x32 0 conv[1].filters=8
network resnet "$models/cifar10-resnet.cfg" 3 32x32 0
network alexnet "$models/alexnet.cfg" 3 64x64 0 fft.size=59 "fourier_pool[1].size=13" \
    "fourier_pool[2].size=9" "fourier_pool[3].size=5" "conv[3].filters=24" "${few[@]}"
network lean "$models/alexnet-512-lean.cfg" 3 64x60 0 fft.size=67 "fourier_pool[1].size=27" \
    "fourier_pool[2].size=15" "fourier_pool[3].size=7" "fourier_pool[4].size=5" \
    "fourier_pool[5].size=3" "conv[3].filters=24" "${few[@]}"
network vgg "$models/vgg11.cfg" 3 33x31 0 fft.size=31 "fourier_pool[1].size=23" \
    "fourier_pool[2].size=15" "fourier_pool[3].size=11" "fourier_pool[4].size=7" \
    "fourier_pool[5].size=5" "conv[5].filters=16" "conv[6].filters=16" "conv[7].filters=16" \
    "conv[8].filters=16" "${few[@]}"
ok "the networks of models/"

# ---- Kinds of layers ----

layers rules 1 20x20 0 "fft size=15" "conv filters=4 size=3 norm=batch activation=modrelu" \
    "conv filters=4 size=2 activation=crelu" "fourier_pool size=11" \
    "conv filters=6 size=1 activation=ctanh"
layers few_bins 1 7x9 0 "fft size=15" "conv filters=4 size=3 norm=batch activation=modrelu" \
    "conv filters=4 size=3"
layers points 2 15x15 0 "fft size=15" "conv filters=4 size=4 activation=leaky_relu slope=0.2" \
    "conv filters=4 size=3 norm=batch activation=gelu grid=auto" "fourier_pool size=9" \
    "conv filters=4 size=3 activation=square grid=25" "fourier_pool size=7"
layers full 2 17x16 0 "fft size=15" "conv filters=4 size=full norm=batch activation=srelu" \
    "conv filters=4 size=full activation=relu" "fourier_pool size=7"
layers fold 2 24x24 0 "fft size=23" "conv filters=4 size=full stride=8 norm=batch" \
    "activation function=srelu window=1"
layers stride 3 40x40 0 "fft size=35" "conv filters=6 size=4 stride=4" "norm" \
    "activation function=srelu window=9" "conv filters=6 size=9"
layers srelus 1 16x16 0 "fft size=15" "conv filters=4 size=3 norm=batch activation=srelu window=0" \
    "conv filters=4 size=3 activation=srelu window=20 algorithm=grid" "fourier_pool size=9" \
    "conv filters=4 size=3 norm=batch activation=srelu window=2 algorithm=grid grid=auto" \
    "fourier_pool size=3"
layers saturated 1 16x16 0 "fft size=15" \
    "conv filters=4 size=3 norm=batch activation=srelu window=5 saturation=4" \
    "conv filters=4 size=3 activation=srelu window=20 algorithm=grid saturation=2" \
    "fourier_pool size=9" "conv filters=4 size=3 norm=batch activation=srelu saturation=0.5" \
    "fourier_pool size=3"
layers pools 1 16x16 0 "fft size=15" "conv filters=4 size=3 activation=relu" \
    "max_pool size=3 stride=2 pad=0" "conv filters=4 size=3 norm=batch" \
    "avg_pool size=3 stride=2 pad=0" "dropout rate=0.5"
layers padded 1 16x16 0 "fft size=17" "conv filters=4 size=3" "max_pool size=3 stride=2 pad=1" \
    "conv filters=4 size=3 activation=relu" "avg_pool size=3 stride=2 pad=1" \
    "shortcut from=max_pool1" "norm"
layers shortcuts 1 16x16 0 "fft size=15" "conv filters=4 size=3 activation=srelu" \
    "fourier_pool size=11" "conv filters=4 size=3 activation=srelu" "shortcut from=conv1" \
    "fourier_pool size=5" "shortcut from=conv2"
network mirrored rules.cfg 1 20x24 0 net.test_mirror=1
network mirrored-whole points.cfg 2 15x15 0 net.test_mirror=1
network mirrored-crop shortcuts.cfg 1 19x22 0 net.test_mirror=1 fft.placement=crop fft.crop=0.8 \
    fft.pad=reflect fft.margin=0.2
ok "kinds of layers, in frequency"

space=(net.domain=space)
network twin "$models/lenet.cfg" 1 28x28 0 "${space[@]}"
network border "$models/lenet-fused.cfg" 1 28x28 0 "${space[@]}" net.border=zero
network space-stride stride.cfg 3 40x40 0 "${space[@]}"
network space-border stride.cfg 3 40x40 0 "${space[@]}" net.border=zero
network space-srelus srelus.cfg 1 16x16 0 "${space[@]}"
network space-saturated saturated.cfg 1 16x16 0 "${space[@]}"
network space-points points.cfg 2 15x15 0 "${space[@]}"
network space-padded padded.cfg 1 16x16 0 "${space[@]}"
network space-resnet "$models/cifar10-resnet.cfg" 3 32x32 0 "${space[@]}" "conv[8].filters=16"
cfg even "fft size=15" "conv filters=4 size=3 activation=relu" "max_pool size=2 stride=1" \
    "conv filters=4 size=3 activation=srelu" "fourier_pool size=9" "shortcut from=max_pool1"
network even even.cfg 1 16x16 0 "${space[@]}"
ok "twins in space"

network cut "$models/lenet.cfg" 1 28x28 0.6
network cut-fused "$models/lenet-fused.cfg" 1 28x28 0.4
network cut-rules rules.cfg 1 20x20 0.7
network cut-stride stride.cfg 3 40x40 0.6
network cut-fold fold.cfg 2 24x24 0.5
network cut-pools pools.cfg 1 16x16 0.6
network cut-shortcuts shortcuts.cfg 1 16x16 0.5
ok "cut bands"

for name in lenet alexnet lean rules full fold stride; do
    succeed "$convert" $name.safetensors --form spectral --out $name-spectral.safetensors
    compare $name-spectral $name-spectral.safetensors "${sizes[$name]}"
done
succeed "$convert" lenet.safetensors --form spectral --type half --out half.safetensors
compare half half.safetensors 28x28 3e-3 # taps of rounded spectra are those of no rounding
ok "spectra"

# ---- Images ----

for size in 28x28 27x27 14x20 56x31 3x2 1x1; do
    compare "lenet-$size" lenet.safetensors $size
done
for pad in zero reflect; do
    network $pad "$models/lenet.cfg" 3 30x22 0 fft.pad=$pad fft.margin=0.2
    compare $pad-even $pad.safetensors 12x20
    network $pad-crop "$models/lenet.cfg" 2 40x33 0 fft.pad=$pad fft.margin=0.1 \
        fft.placement=crop fft.crop=0.875
done
compare reflect-small reflect.safetensors 1x2
ok "images larger and smaller than the input, framed and cropped"

# ---- The command line ----

succeed "$convert" lenet.safetensors --onnx own.onnx
has out "63 nodes of opset 13" "image [batch][1][27][27]" "probabilities [batch][10]" \
    "onnx: own.onnx"
checked+=(own.onnx)
cp own.onnx kept.onnx
succeed "$convert" lenet.safetensors --onnx own.onnx
cmp own.onnx kept.onnx || fail "the same model gives another file"
refuse 2 "--onnx FILE stands alone" "--domain --form" "$convert" lenet.safetensors --onnx x.onnx \
    --domain space
refuse 2 "--onnx FILE stands alone" "--out" "$convert" lenet.safetensors --onnx x.onnx --out y
refuse 2 "--onnx FILE stands alone" "--type" "$convert" lenet.safetensors --onnx x.onnx --type half
refuse 2 "--size 28x28" "--onnx" "$convert" lenet.safetensors --form spectral --size 28x28
for size in 28 28x 0x28 28x0 28x28x1 -28x28 x28 28X28 70000x28 99999999999999999999x1 " 28x28"; do
    refuse 2 "--size $size: expected" "height width 28x28" "$convert" lenet.safetensors \
        --onnx x.onnx --size "$size"
done
refuse 2 "--onnx lenet.safetensors" "overwrite" "$convert" lenet.safetensors \
    --onnx lenet.safetensors
cp resnet.safetensors other.safetensors
refuse 2 "--onnx other.safetensors" "another kind" "$convert" lenet.safetensors \
    --onnx other.safetensors
cmp resnet.safetensors other.safetensors || fail "a model was overwritten"
refuse 1 "none/x.onnx" "No such file" "$convert" lenet.safetensors --onnx none/x.onnx
refuse 1 "none.safetensors" "" "$convert" none.safetensors --onnx x.onnx
[[ ! -e x.onnx ]] || fail "a refused export leaves a file"
(
    ulimit -f 100
    refuse 1 "own.onnx: " "File too large" "$convert" lenet.safetensors --onnx own.onnx --size 28x28
)
cmp own.onnx kept.onnx || fail "a full disk changed the earlier file"
[[ -z $(find . -name "own.onnx.tmp*") ]] || fail "a full disk leaves a temporary file"
ok "the command line: what makes no sense is refused, a full disk leaves what was there"

# ---- The checker ----

if [[ $python ]]; then
    succeed "$python" "$tests/onnx/check.py" "${checked[@]}"
    ok "python3-onnx accepts ${#checked[@]} files and infers every shape"
else
    skip "the checker: no python3 has the module onnx"
fi
if [[ $reason ]]; then skip "the comparison of logits: $reason"; fi
