#!/usr/bin/env bash
# The printed memory plan: its parts add up to the arena, byte for byte, in every
# cfg, for training and for inference; and lenet.cfg stays under 700 MiB.
source "$(dirname "$0")/common.sh"

# adds_up NAME: the bytes before "arena, allocated once" in the file out.
adds_up() {
    awk '/^memory plan/ { inside = 1; next }
        inside && /arena, allocated once/ { arena = $(NF - 3); found = 1; exit }
        inside { sum += $(NF - 3); parts++ }
        END { if (!found || parts < 5 || sum != arena || sum < 1000)
                  { printf "%d parts, sum %d, arena %d\n", parts, sum, arena; exit 1 } }' out ||
        fail "$1: the parts of the plan do not add up to its arena: $(cat out)"
}

for cfg in "$source_root"/models/*.cfg "$small"; do
    for batch in 1 19 128; do
        succeed "$info" "$cfg" --channels 1 --classes 10 --batch $batch
        adds_up "$(basename "$cfg") --batch $batch"
    done
done
ok "the plan's parts add up to the arena, in every cfg at three batch sizes"

succeed "$train" "$source_root/models/lenet.cfg" --limit 512 --epochs 1 --verbose --out run
adds_up "training lenet.cfg"
peak=$(sed -nE 's/^peak resident memory ([0-9.]+) MiB$/\1/p' out)
arena=$(awk '/arena, allocated once/ { print $(NF - 1) }' out)
[[ $peak ]] || fail "no line with the peak resident memory: $(cat out)"
awk -v p="$peak" -v a="$arena" 'BEGIN { exit !(p > a) }' ||
    fail "a peak of $peak MiB is less than the arena's $arena"
if sanitized; then
    skip "the limit of 700 MiB: a sanitized build takes more"
else
    awk -v p="$peak" 'BEGIN { exit !(p < 700) }' || fail "lenet.cfg took $peak MiB, over 700"
    ok "training lenet.cfg at batch 128: $peak MiB at its peak, of which the arena is $arena"
fi
succeed "$info" run/model.safetensors
adds_up "inference with lenet.cfg"
ok "and for inference"

# limited KIB COMMAND...: as run, with so much address space.
limited() {
    local kib=$1
    shift
    code=0
    (ulimit -v "$kib" && exec "$@") >out 2>err </dev/null || code=$?
}
if sanitized; then
    skip "limits of memory: a sanitizer takes address space without end"
    exit 0
fi

data=synthetic:classes=4,size=28,channels=1,train=20000,val=64
lenet=("$train" "$source_root/models/lenet.cfg" --data "$data" --threads 2 --epochs 1 --limit 2048)
mkdir pictures pictures/{a,b}
for i in 1 2 3; do cp "$tests/images/shirt.png" pictures/a/$i.png && cp "$tests/images/trouser.png" pictures/b/$i.png; done

for limit in 500000 700000; do
    limited $limit "${lenet[@]}" --batch 16384 --limit 20000 --out limited
    [[ $code == 1 ]] || fail "ulimit -v $limit: code $code, $(<err)"
    has err "a batch of 16384 takes" "MiB are free (by ulimit -v): a batch of " "would fit"
    [[ ! -e limited && ! -s out ]] || fail "ulimit -v $limit: something was begun: $(<out)"
    batch=$(sed -nE 's/.*: a batch of ([0-9]+) would fit.*/\1/p' err)
    parts=$(sed -nE 's/.* or subdivisions=([0-9]+).*/\1/p' err)
    ((batch >= 16 && batch < 16384 && 16384 % ${parts:-1} == 0)) || fail "advice: $(<err)"
    ((limit < 600000 || ${parts:-0} > 1)) || fail "no parts: $(<err)"
    limited $limit "${lenet[@]}" --batch "$batch" --limit $((2 * batch)) --quiet --out "fits-$limit"
    [[ $code == 0 ]] || fail "a batch of $batch does not fit: $(<err)"
    ok "ulimit -v $limit: the batch of $batch that is named does fit"
    [[ $parts ]] || continue # the images alone are too many
    limited $limit "${lenet[@]}" --batch 16384 --limit 20000 --set "net.subdivisions=$parts" --quiet --out "parts-$limit"
    [[ $code == 0 ]] || fail "$parts parts do not fit: $(<err)"
    ok "and $parts parts of the batch do"
done
limited 700000 "${lenet[@]}" --batch 16384 --limit 20000 --set net.subdivisions=2 --out limited
has err "a batch of 16384 in 2 parts takes" "would fit, or subdivisions="
limited 700000 "${lenet[@]}" --batch 16384 --limit 20000 --find-rate --out limited
[[ $code == 1 && ! -e limited ]] || fail "--find-rate: code $code, $(<err)"
has err "would fit, or subdivisions="
limited 400000 "$train" "$source_root/models/vgg16.cfg" --data "$PWD/pictures" --threads 1 --out limited
[[ $code == 1 && ! -e limited ]] || fail "vgg16.cfg in 400 MB: code $code, $(<err)"
has err "MiB are free (by ulimit -v): not even a batch of"
ok "what no batch fits is refused as well, in parts and with --find-rate"

# A network of many numbers and a small step: what is saved is copied first.
sed 's/units=16/units=6000/; s/^\[dropout\]/[dense]\nunits=1500\n\n&/' "$small" >wide.cfg
wide=("$train" wide.cfg --data "synthetic:classes=4,size=14,channels=1,train=64,val=32" --threads 1
    --epochs 2 --quiet)
told=''
for ((kib = 300000; kib < 3000000; kib += 40000)); do
    rm -rf tight
    limited $kib "${wide[@]}" --out tight
    [[ $code != 0 ]] || break
    ! grep -q "while they are saved, and .* MiB are free (by ulimit -v)" err || told=$kib
    [[ $told != "$kib" || ! -e tight ]] || fail "ulimit -v $kib: something was begun"
done
[[ $code == 0 && $told ]] || fail "ulimit -v $kib, told at '$told': $(<err)"
ok "memory that a save would not have is told before the first step"

limited 700000 "$build/fcnn-compare" "$source_root/models/lenet.cfg" --data "$data" --batch 16384 --threads 2 --out compared
[[ $code == 1 ]] || fail "fcnn-compare: code $code, $(<err)"
has err "would fit, or subdivisions="
limited 700000 "$build/fcnn-bench" train "$source_root/models/alexnet.cfg" --batch 256 --threads 1
[[ $code == 1 ]] || fail "fcnn-bench: code $code, $(<err)"
has err "a batch of 256 takes" "MiB are free (by ulimit -v)"
ok "fcnn-compare and fcnn-bench say so too"
