#!/usr/bin/env bash
# Every cfg of models/ takes its first steps, is saved and scored, without a NaN;
# those that say so are resident, the others have fused layers.
source "$(dirname "$0")/common.sh"

colour=synthetic:size=32,channels=3,classes=10,train=32,val=16
for cfg in "$source_root"/models/*.cfg; do
    name=$(basename "$cfg" .cfg)
    # Under sanitizers those that have layers of their own are enough.
    if sanitized && [[ $name == alexnet-512* || $name == vgg* ]]; then continue; fi
    data=fashion-mnist settings=(--limit 128 --batch 32)
    # The others have up to 130 million weights: a narrow one steps through the same layers.
    if [[ $name != lenet* ]]; then
        data=$colour settings=(--batch 16 --set 'dense[1].units=32')
        (($(grep -c '^\[dense\]' "$cfg") < 3)) || settings+=(--set 'dense[2].units=32')
        (($(grep -c '^\[dense\]' "$cfg") > 1)) || settings=(--batch 16)
        for ((i = 1; i <= $(grep -c '^\[conv\]' "$cfg"); i++)); do
            settings+=(--set "conv[$i].filters=8")
        done
    fi
    succeed "$train" "$cfg" --data $data "${settings[@]}" --epochs 1 --out "$name"
    ! grep -iwE -- '-?(nan|inf)' out err "$name/log.csv" || fail "$name: not finite"
    [[ $(wc -l <"$name/log.csv") == 2 ]] || fail "$name: expected one row: $(cat "$name/log.csv")"
    succeed "$infer" "$name/model.safetensors" --data $data --limit 32
    rm -r "$name"
    succeed "$info" "$cfg" --channels 3 --classes 10
    fused=$(awk '$NF == "fused" || $(NF - 1) == "fused"' out | grep -c activation || true)
    if grep -q '^#.*fused' "$cfg"; then
        ((fused > 0)) || fail "$name has no fused layer: $(cat out)"
        has out "fused"
    else
        [[ $fused == 0 ]] || fail "$name has fused layers: $(cat out)"
        has out "every layer between fft and ifft is resident"
    fi
    ok "$name: first steps are finite, $fused fused layers"
done
