#!/usr/bin/env bash
# tests/bench: a cfg's translation to the spatial network that is measured against, whose parameters
# must be those that fcnn-info counts; options and errors of its programs, and, where PyTorch is, a
# step of each program. Nothing passes or fails by speed.
source "$(dirname "$0")/common.sh"
folder=$source_root/tests/bench
python=/usr/bin/python3
torch=0
if "$python" -c 'import torch' 2>/dev/null; then torch=1; fi

# counts: for every line CFG CHANNELS [OVERRIDE...] of the input a line with the parameters of the
# translation, of the module, and the classes of its output; the first again and 10 without PyTorch.
counts() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$folder "$python" -c '
import sys
import spatial

torch_is_there, models = sys.argv[1:]
if torch_is_there == "1":
    import torch
for line in sys.stdin:
    cfg, channels, *overrides = line.split()
    network = spatial.translate(spatial.read(f"{models}/{cfg}", overrides), int(channels), 10, None)
    found, outputs = network.parameters(), 10
    if torch_is_there == "1":
        module = spatial.module(network).eval()
        found = sum(p.numel() for p in module.parameters())
        with torch.no_grad():
            images = torch.zeros(1, network.channels, network.side, network.side)
            outputs = module(images).shape[1]
    print(network.parameters(), found, outputs)
' $torch "$source_root/models"
}

# Less activations' own parameters, which ReLU has not, and biases that a [norm] makes needless. Of
# a norm and srelu in one node half of the parameters are the activation's.
info_count() {
    succeed "$info" "$1" --channels "$2" --classes 10 "${@:3}"
    awk -v cfg="$1" '$1 == "total" { total = $2 }
        $1 ~ /^(conv[0-9]+\.)?activation/ { own += $6 }
        $1 ~ /norm[0-9]*\+activation/ { own += $6 / 2 }
        $1 ~ /^conv[0-9]+$/ { filters = $5 } $1 ~ /^norm[0-9]+(\+|$)/ { own += filters }
        END { print total - own }' out
}

cat >cfgs <<'CFGS'
lenet.cfg 1
lenet-fused.cfg 1
cifar10.cfg 3
cifar10.cfg 3 conv[2].norm=none conv[4].filters=96
cifar10-resnet.cfg 3
cifar10-resident.cfg 3
fashion-resnet.cfg 1
alexnet.cfg 3
alexnet-512.cfg 3
alexnet-512-lean.cfg 3
vgg11.cfg 3
CFGS
counts <cfgs >counted || fail "the translations of cfgs: $(cat counted)"
count=0
while read -r cfg channels overrides; do
    words=()
    for override in $overrides; do words+=(--set "$override"); done
    wanted=$(info_count "$source_root/models/$cfg" "$channels" "${words[@]}")
    count=$((count + 1))
    found=$(sed -n ${count}p counted)
    [[ $found == "$wanted $wanted 10" ]] ||
        fail "$cfg: expected $wanted parameters twice and 10 classes, got $found"
done <cfgs
ok "the translations of $count cfgs have the parameters that fcnn-info counts"

# A twin fed with images of a quarter of the side: maps of a sixteenth, rounding and classifier aside.
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$folder "$python" -c '
import sys
import spatial

for path in sys.argv[1:]:
    network = spatial.translate(spatial.read(path), 3, 10, 512)
    classifier = sum(n[0] * n[1] for kind, *n in network.layers if kind == "linear")
    share = (spatial.fed(network, 128).macs() - classifier) / (network.macs() - classifier)
    if not 1 / 32 < share < 1 / 12:
        sys.exit(f"{path}: its convolutions cost {share:.4f} on a quarter of the side")
' "$source_root"/models/alexnet-512{,-lean}.cfg || fail "a twin fed with smaller images"
ok "twins fed with smaller images have maps in proportion"

# wrong CODE "WORDS" PROGRAM OPTIONS...: the code, and the words on standard error.
wrong() {
    local wanted=$1 words=$2 word program=$3
    shift 3
    run env PYTHONDONTWRITEBYTECODE=1 "$python" "$folder/$program" "$@"
    [[ $code == "$wanted" ]] || fail "expected code $wanted, got $code from: $program $*: $(cat err)"
    for word in $words; do has err "$word"; done
}

sed '0,/^size=3/s//size=full/' "$small" >full.cfg
wrong 2 "no no-such.cfg" step.py no-such.cfg --build "$build"
wrong 2 "no nowhere/fcnn-bench --build" step.py "$small" --build nowhere
wrong 2 "--batch whole" step.py "$small" --build "$build" --batch 3,x
wrong 2 "no nowhere" epoch.py "$small" --build "$build" --work nowhere
wrong 2 "--rounds" step.py "$small" --build "$build" --rounds many
wrong 1 "conv1 size=full" step.py full.cfg --build "$build"
wrong 1 "filterz" step.py "$small,conv[*].filterz=3" --build "$build"
wrong 2 "no no-such.safetensors" infer.py no-such.safetensors --build "$build"
echo nothing >bad.safetensors
wrong 1 "fcnn-info bad.safetensors" infer.py bad.safetensors --build "$build"
wrong 2 "powers" size.py --build "$build" --sizes 100
ok "wrong options and files"

if [[ $torch == 0 ]]; then
    wrong 1 "python3-torch" step.py "$small" --build "$build" --steps 1 --rounds 1
    skip "measurements: $python has no torch (Debian's package python3-torch)"
    exit 0
fi
measured=(--build "$build" --rounds 1 --steps 1 --threads 1 --json)
bench() {
    succeed env PYTHONDONTWRITEBYTECODE=1 "$python" "$folder/$1" "${@:2}" "${measured[@]}"
    found=$("$python" -c '
import json
r = json.load(open("out"))["rows"]
print(len(r), all(row["ms_per_image"] > 0 and row["peak_mib"] > 0 for row in r),
      sum("faster" in row for row in r))')
}
bench step.py "$small" --batch 4,8 --norm batch
[[ $found == "4 True 2" ]] || fail "step.py: $found: $(cat out)"
bench infer.py "$small" --batch 4,1
[[ $found == "4 True 2" ]] || fail "infer.py: $found: $(cat out)"
bench size.py --sizes 64 --batch 2
[[ $found == "2 True 1" ]] || fail "size.py: $found: $(cat out)"
ok "a step of each program, with PyTorch's beside it"
