#!/usr/bin/env bash
# fcnn-bench: conv, a line for each algorithm, JSON of stable names, its options, its peer, and
# Ctrl-C; fcnn-info --cost against the same formulas computed here. Times must be there, but
# nothing passes or fails by speed.
source "$(dirname "$0")/common.sh"
bench=$build/fcnn-bench
layer=(conv --size 20 --channels 3 --filters 5 --batch 2 --repeats 2 --threads 2)
algorithms="direct gemm winograd fft oaa resident"

json() { python3 -c "import json; r = json.load(open('out')); print($1)"; }
same() { [[ $2 == "$3" ]] || fail "$1: expected '$2', got '$3'"; }

# The table: each algorithm timed, but Winograd for the kernels that it does not have.
for border in zero wrap; do
    succeed "$bench" "${layer[@]}" --kernel 3,4,7 --border $border
    for kernel in 3x3 4x4 7x7; do
        for algorithm in $algorithms; do
            wanted=5
            if [[ $algorithm == winograd && $kernel != 3x3 ]]; then wanted=0; fi
            found=$(awk -v k=$kernel -v a="$algorithm" '$1 == k && $2 == a {
                lines++
                numbers = ($3 ~ /^[0-9.]+$/) + ($4 ~ /^[0-9.]+$/) + ($5 ~ /^[0-9.]+$/) + ($7 ~ /^[0-9.]+x$/) + ($9 ~ /^[0-9.]+x$/)
            } END { print lines, numbers }' out)
            same "$border, $kernel $algorithm" "1 $wanted" "$found"
        done
    done
    has out "3 maps of 20x20 to 5 maps" "border $border" "21x21" "winograd not timed for 4x4 7x7: " "3x3 kernels" \
        "ceiling"
done
ok "a line for each kernel, algorithm and border, and the reason where there is no time"

succeed "$bench" "${layer[@]}" --kernel 3,5 --tile 16 --json
same "names" "['batch', 'border', 'cases', 'ceiling_gflops', 'ceilings', 'channels', 'device', 'filters', 'left_out', 'size', 'threads']" "$(json 'sorted(r)')"
same "names of the cases" "['algorithm', 'error', 'forward_ms', 'fraction', 'gflops', 'kernel', 'memory_mib', 'rounds', 'speedup_direct', 'speedup_gemm', 'tile', 'training_ms', 'training_speedup_direct', 'training_speedup_gemm']" \
    "$(json 'sorted(set().union(*r["cases"]))')"
same "cases, rounds, tiles" "11 {2} {16}" "$(json '*(len(r["cases"]), {c["rounds"] for c in r["cases"]}, {c["tile"] for c in r["cases"] if c["algorithm"] == "oaa"})')"
same "left out" "[('winograd', 5)]" "$(json '[(c["algorithm"], c["kernel"]) for c in r["left_out"]]')"
# GFLOP/s, fraction and speed-ups are what the times say: 2 * 3 * 5 * 20^2 * K^2 * 2 operations.
json 'max(max(abs(c["gflops"] * c["forward_ms"] * 1e6 / (24000 * c["kernel"] ** 2) - 1),
          abs(c["fraction"] * r["ceiling_gflops"] / c["gflops"] - 1),
          abs(c["speedup_" + d] * c["forward_ms"] / e["forward_ms"] - 1),
          abs(c["training_speedup_" + d] * c["training_ms"] / e["training_ms"] - 1))
      for c in r["cases"] for d in ("direct", "gemm") for e in r["cases"]
      if e["algorithm"] == d and e["kernel"] == c["kernel"]) < 1e-4' >figures
same "figures follow from the times" True "$(<figures)"
same "each agrees with direct" True "$(json 'all(c["error"] < 1e-4 for c in r["cases"])')"
ok "JSON: names, cases, and figures that follow from the times"

succeed "$bench" "${layer[@]}" --kernel 3 --algorithm fft,oaa --json
same "chosen" "['fft', 'oaa'] {None}" "$(json '*[[c["algorithm"] for c in r["cases"]], {c["speedup_direct"] for c in r["cases"]}]')"
ok "--algorithm times those alone, checked against direct all the same"

cp "$small" small.cfg
count=0
while IFS='|' read -r words options; do
    # shellcheck disable=SC2086
    refuse 2 "" "$words" "$bench" $options
    count=$((count + 1))
done <<'CASES'
conv train infer|
conv train infer|tarin
cfg|train
no-such.cfg|train no-such.cfg
unexpected more|train small.cfg more
--steps|train small.cfg --steps 0
filterz|train small.cfg --set conv.filterz=3
--bogus|train small.cfg --bogus
--bandwidth|train small.cfg --ranks-model --bandwidth 0
--bandwidth --ranks-model|train small.cfg --bandwidth 10
--latency --ranks-model|train small.cfg --latency 10
--images --ranks-model|train small.cfg --images 10
--partition-optimizer --ranks-model|train small.cfg --partition-optimizer
--images|train small.cfg --ranks-model --images 0
--ranks-model|infer small.cfg --ranks-model
model|infer
--set|infer small.cfg --set conv.size=3
unexpected more|conv more
--kernel 3,x 1 224|conv --kernel 3,x
--kernel 3,,5|conv --kernel 3,,5
--kernel 0|conv --kernel 0
--kernel 9 8|conv --kernel 9 --size 8
--size 0|conv --size 0
--size|conv --size 12px
--batch|conv --batch -1
--border round wrap zero|conv --border round
--algorithm foo direct winograd resident|conv --algorithm direct,foo
--algorithm direct|conv --algorithm direct,
--seconds-per-case -1|conv --seconds-per-case -1
--tile value|conv --tile
--bogus|conv --bogus
CASES
ok "$count wrong command lines"
succeed "$bench" --help
has out "fcnn-bench COMMAND" "conv" "train" "infer"
succeed "$bench" conv --help
has out "fcnn-bench conv" "--seconds-per-case" "--peer"
succeed "$bench" train --help
has out "fcnn-bench train" "--steps" "--json"
succeed "$bench" infer --help
has out "fcnn-bench infer MODEL" "--batch" "--json"

# Training steps: the text, and JSON whose phases and layers add up to the steps they are parts of.
training=(train "$small" --channels 1 --classes 4 --steps 3 --threads 1)
succeed "$bench" "${training[@]}"
has out "ms an image" "products backward" "conv1.norm+activation" "conv2.activation" "GB/s" "floor ms"
succeed "$bench" "${training[@]}" --batch 48 --json
same "names" "['batch', 'ceilings', 'cfg', 'copy_gbytes', 'device', 'device_mib', 'gflops', 'layers', 'ms_per_image', 'ms_per_step', 'ms_per_step_fastest', 'peak_mib', 'phases', 'steps', 'threads']" "$(json 'sorted(r)')"
same "this machine's rates" "['bfloat16_gflops', 'first_cache_gbytes', 'multiply_gflops', 'product_gflops', 'second_cache_gbytes', 'third_cache_gbytes'] True" \
    "$(json '*(sorted(r["ceilings"]), all(r["ceilings"][n] > 0 for n in ("multiply_gflops", "product_gflops")))')"
same "batch, steps, threads" "48 3 1" "$(json '*(r["batch"], r["steps"], r["threads"])')"
same "an image's time" True "$(json 'abs(r["ms_per_image"] * 48 / r["ms_per_step"] - 1) < 1e-4')"
same "phases" True "$(json '{"input", "products forward", "products backward", "activation", "norm", "transforms", "dense", "softmax and loss", "optimizer", "bias, dropout, copies"} == set(r["phases"])')"
same "layers" True "$(json '{"conv1", "conv1.norm+activation", "softmax1"} <= set(r["layers"])')"
same "layers take no longer than the phases that they are made of" True "$(json \
    'sum(l["forward_ms"] + l["backward_ms"] for l in r["layers"].values()) < 1.5 * sum(r["phases"].values()) + 1')"
same "layers' operations, and the time that they take at least" True "$(json \
    'r["layers"]["conv2"]["gflop"] > 0 and all((l["floor_ms"] > 0) != n.endswith(".norm") for n, l in r["layers"].items() if n.startswith("conv"))')"
ok "train: time by phase and by layer, as text and as JSON"

# The model of ranks: its parts add up, and begin with the step that was timed; what is stated counts.
succeed "$bench" "${training[@]}" --batch 12 --ranks-model --bandwidth 0.5 --latency 20 --images 1000
has out "all conv" "all dense" "0.5 Gbit/s" "20 us (stated)" "1000 images (stated)" "12 images a step, up to 4 ranks" "12 images a rank"
succeed "$bench" "${training[@]}" --batch 12 --ranks-model --json
model='(lambda m: EXPRESSION)(r["ranks_model"])'
same_in_model() { same "$1" "$2" "$(json "${model/EXPRESSION/$3}")"; }
same_in_model "names" "['bandwidth_gbit', 'buckets', 'gradients_mb', 'images', 'images_of', 'latency_us', 'link', 'report_kb', 'strong', 'weak']" 'sorted(m)'
same_in_model "the usual link and the cfg's data" "(10, 50, True)" '(round(m["bandwidth_gbit"]), round(m["latency_us"]), "synthetic" in m["images_of"])'
same_in_model "ranks and images" "[(1, 12), (2, 6), (4, 3)]" '[(s["ranks"], s["images"]) for s in m["strong"]]'
same_in_model "ranks of a batch each" "[(1, 12), (1024, 12), 11]" '[(s["ranks"], s["images"]) for s in (m["weak"][0], m["weak"][-1])] + [len(m["weak"])]'
same_in_model "buckets hold every gradient" True 'sum(m["gradients_mb"].values()) <= sum(b["mb"] for b in m["buckets"]) < sum(m["gradients_mb"].values()) + 0.01'
same_in_model "one rank is what was timed" True 'abs(m["strong"][0]["step_ms"] / r["ms_per_step"] - 1) < 1e-6'
json 'max(max(abs(sum(s[p + "_ms"] for p in ("computation", "shard", "bandwidth", "latency", "update")) / s["step_ms"] - 1),
          abs(s["images"] * s["ranks"] / s["step_ms"] / (12 / r["ms_per_step"]) / s["speed_up"] - 1),
          abs(m["images"] // (s["images"] * s["ranks"]) * s["step_ms"] / 1000 - s["epoch_s"]))
      for m in [r["ranks_model"]] for s in m["strong"] + m["weak"]) < 1e-6' >figures
same "steps are the sum of their parts, and speed-up and epoch follow" True "$(<figures)"
succeed "$bench" "${training[@]}" --ranks-model --set net.data=nowhere
has out "1281167 images (as ImageNet's; the cfg's data: " nowhere
ok "train --ranks-model: its figures follow from the steps that were timed"

# Inference: the same of a saved model, forwards alone.
succeed "$train" "$small" --epochs 1 --limit 32 --save spectral --out run --quiet
succeed "$bench" infer run/model.safetensors --threads 1
has out "run/model.safetensors, batch 1," "ms an image" "products forward" "conv2.activation"
succeed "$bench" infer run/model.safetensors --batch 20 --steps 2 --size 30 --json
same "batch, steps, model" "20 2 run/model.safetensors" "$(json '*(r["batch"], r["steps"], r["model"])')"
same "no backward pass" True "$(json 'all(l["backward_ms"] == 0 for l in r["layers"].values()) and not {"optimizer", "products backward-data"} & set(r["phases"])')"
refuse 1 "no-such.safetensors" "opened" "$bench" infer no-such.safetensors
ok "infer: time by phase and by layer of a saved model"

# A stop between two passes: what has been timed is printed, and the code says so.
interrupt 0.1 'grep -q ^kernel out' "$bench" "${layer[@]}" --kernel 3,5 --repeats 100 \
    --seconds-per-case 1000000 --size 160
same "Ctrl-C's exit code" 130 "$code"
has out "kernel" "ceiling"
ok "Ctrl-C ends cleanly"

# The peer, or one line that says what it needs.
if sanitized; then
    skip "--peer: a second runtime beside the sanitizers' own"
else
    succeed "$bench" "${layer[@]}" --kernel 3,4 --algorithm direct,gemm --peer --json
    if /usr/bin/python3 -c 'import torch' 2>/dev/null; then
        same "the peer's cases" "[3, 4]" "$(json '[c["kernel"] for c in r["cases"] if c["algorithm"] == "oneDNN"]')"
        succeed "$bench" "${layer[@]}" --kernel 3 --algorithm direct,gemm --peer
        has out "oneDNN 3x3 (forward" "our best"
        succeed "$bench" "${layer[@]}" --kernel 3 --algorithm direct,gemm --peer --border wrap
        has out "oneDNN not timed for 3x3" "--border zero"
        ok "--peer times PyTorch beside ours"
    else
        has err "python3-torch"
        same "cases without the peer" 4 "$(json 'len(r["cases"])')"
        ok "--peer says which package it needs, and the rest goes on"
    fi
fi

# --cost: one layer's formulas, computed here from its shape; and what is left out.
cat >cost.cfg <<'CFG'
[net]
batch=4
[fft]
size=23
[conv]
filters=5
size=3
stride=8
[conv]
filters=6
size=2
[conv]
filters=4
size=full
[ifft]
[dense]
units=classes
[softmax]
CFG
succeed "$info" cost.cfg --channels 2 --classes 3 --cost --batch 19
has out "conv1: not compared: stride=8" "conv3: not compared: size=full" \
    "conv2: 19 images, 5 maps of 3x3 to 6, 2x2 taps, border wrap"
awk '
    function near(name, wanted, got) {
        if (!(got >= wanted - 0.51 && got <= wanted + 0.51)) {
            printf "%s: expected %.1f, got %s\n", name, wanted, got; bad = 1
        }
    }
    function check(name, n, outputs, direct, fft, ratio, bytes) {
        near(name " direct", S * f * g * outputs ^ 2 * k ^ 2, direct)
        near(name " FFT", 2 * 2.5 * n ^ 2 * log(n) / log(2) * (g * S + f * S + g * f) + 4 * S * f * g * n ^ 2, fft)
        near(name " ratio", 100 * direct / fft, 100 * ratio)
        near(name " bytes", 4 * n * (n + 1) * (S * f + S * g + f * g), bytes)
        checked++
    }
    BEGIN { S = 19; f = 5; g = 6; k = 2 }
    /^  as in the paper/ { near("n", 3, $(NF - 5)); near("outputs", 2, $(NF - 4)); check("paper", 3, 2, $(NF - 3), $(NF - 2), $(NF - 1), $NF) }
    /^  here: border kept/ { check("here", $(NF - 5), 3, $(NF - 3), $(NF - 2), $(NF - 1), $NF); grid = $(NF - 5) }
    $1 == "fft" { near("bytes of fft", 1, ($4 > 0) && ($2 > 0)); checked++ }
    $1 == "gemm" || $1 == "direct" { checked += $2 > 0 && $3 > 0 }
    $1 == "direct/fft" { checked++ }
    END { if (bad || checked != 6 || grid < 3) { print checked, grid; exit 1 } }' out ||
    fail "--cost: $(cat out)"
ok "fcnn-info --cost: the formulas, and what is measured beside them"
