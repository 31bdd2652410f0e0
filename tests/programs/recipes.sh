#!/usr/bin/env bash
# Every cfg of models/ takes its first steps, is saved and scored, without a NaN,
# and no resident one has a fused layer.
source "$(dirname "$0")/common.sh"

for cfg in "$source_root"/models/*.cfg; do
    name=$(basename "$cfg" .cfg)
    settings=(--limit 128 --batch 32)
    # AlexNet's classifier alone has 55 million weights; a narrow one steps as well.
    if [[ $name == alexnet ]]; then
        settings=(--limit 32 --batch 16 --set 'dense[1].units=64' --set 'dense[2].units=64')
    fi
    succeed "$train" "$cfg" "${settings[@]}" --epochs 1 --out "$name"
    ! grep -iwE -- '-?(nan|inf)' out err "$name/log.csv" || fail "$name: not finite"
    [[ $(wc -l <"$name/log.csv") == 2 ]] || fail "$name: expected one row: $(cat "$name/log.csv")"
    succeed "$infer" "$name/model.safetensors" --data fashion-mnist --limit 32
    succeed "$info" "$cfg" --channels 1 --classes 10
    fused=$(awk '$NF == "fused" || $(NF - 1) == "fused"' out | grep -c activation || true)
    if [[ $name == *-fused* ]]; then
        ((fused > 0)) || fail "$name has no fused layer: $(cat out)"
        has out "fused"
    else
        [[ $fused == 0 ]] || fail "$name has fused layers: $(cat out)"
        has out "every layer between fft and ifft is resident"
    fi
    ok "$name: first steps are finite, $fused fused layers"
done
