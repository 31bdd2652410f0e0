#!/usr/bin/env bash
# Everything about the CUDA backend, on this machine's GPU: builds, runs the
# backend's tests, runs them again under compute-sanitizer, compares training
# with the CPU's, measures, and prints a table of it last.
#   tests/gpu.sh [--build FOLDER] [--data FOLDER] [--quick]
# --build: a build with the CUDA backend that is there already, taken as it is
# --data:  an image folder to train AlexNet on; without it, synthetic images
# --quick: no compute-sanitizer, one epoch of each training
# The exit code is 1 if anything failed, 77 where there is no GPU.
set -euo pipefail

build='' data='' quick=''
while (($#)); do
    case $1 in
    --build) build=$(realpath "${2:?--build FOLDER}"); shift 2 ;;
    --data) data=$(realpath "${2:?--data FOLDER}"); shift 2 ;;
    --quick) quick=1; shift ;;
    *) sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ! $build ]]; then
    bash tests/packages.sh test || echo "going on without them"
    build=build/gpu
    cmake -S . -B $build -DFCNN_CUDA=ON -DFCNN_WERROR=ON -DCMAKE_BUILD_TYPE=Release
    cmake --build $build -j "$(nproc)"
fi
version=$("$build/fcnn-train" --version)
echo "$version"
if ! grep -q 'cuda:' <<<"$version"; then
    echo "$build has no CUDA backend"
    exit 1
fi
if grep -q 'cuda: no' <<<"$version"; then
    echo "there is no GPU here: nothing was run"
    exit 77
fi

out=$(mktemp -d "${TMPDIR:-/tmp}/fcnn-gpu-XXXXXX")
trap 'rm -rf "$out"' EXIT
rows=() failed=0

# row WHAT RESULT: a line of the table.
row() {
    rows+=("$(printf '%-44s %s' "$1" "$2")")
    echo "== ${rows[-1]}"
}

# step WHAT COMMAND...: runs it, its output to $out/log; a row that says what failed.
step() {
    local what=$1 started=$SECONDS code=0
    shift
    echo "-- $what"
    "$@" >"$out/log" 2>&1 || code=$?
    ((code)) || return 0
    failed=1
    tail -n 40 "$out/log"
    row "$what" "FAILED, code $code, after $((SECONDS - started)) s"
    return 1
}

# ---- The backend's tests: device_suites of tests/CMakeLists.txt ----
suites=$(sed -n '/^set(device_suites/,/)/p' tests/CMakeLists.txt | tr -d '()' | sed 's/^set//; s/device_suites//')
for suite in $suites; do
    started=$SECONDS
    if FCNN_TEST_DEVICE=cuda step "test $suite" timeout 900 "$build/tests/test_$suite"; then
        cases=$(sed -nE 's/.*: ([0-9]+) cases.*/\1 cases, /p' "$out/log" | tail -n 1)
        row "test $suite" "passed: $cases$((SECONDS - started)) s"
    fi
done

# ---- compute-sanitizer, on the suites of operations and one network. Failed calls of CUDA do not
# count as errors: libraries try some, and a test asks for too much memory ----
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
if [[ $quick || ! $sanitizer ]]; then
    reason="it was not found"
    [[ ! $quick ]] || reason="--quick"
    row "compute-sanitizer" "not run: $reason"
else
    for suite in $suites; do
        [[ $suite == ops_* || $suite == convolution || $suite == network_linear ]] || continue
        started=$SECONDS
        if FCNN_TEST_DEVICE=cuda step "compute-sanitizer $suite" timeout 3600 "$sanitizer" \
            --report-api-errors no --error-exitcode 9 "$build/tests/test_$suite"; then
            row "compute-sanitizer $suite" "$(grep -o 'ERROR SUMMARY.*' "$out/log" | tail -n 1), $((SECONDS - started)) s"
        fi
    done
    if FCNN_TEST_DEVICE=cuda step "racecheck ops_norm" timeout 3600 "$sanitizer" \
        --tool racecheck --error-exitcode 9 "$build/tests/test_ops_norm"; then
        row "racecheck ops_norm" "$(grep -o 'RACECHECK SUMMARY.*' "$out/log" | tail -n 1)"
    fi
fi

# ---- Training: the CPU's accuracy, the same bits twice, and speed ----
# train NAME OPTION...: a run in $out/NAME; its last row of log.csv into an array `log`.
train() {
    local name=$1
    shift
    step "train $name" "$build/fcnn-train" "$@" --out "$out/$name" || return 1
    IFS=, read -r -a names <"$out/$name/log.csv"
    IFS=, read -r -a values < <(tail -n 1 "$out/$name/log.csv")
    declare -gA log
    for i in "${!names[@]}"; do log[${names[i]}]=${values[i]:-}; done
}

epochs=5
[[ $quick ]] && epochs=1
digits=()
if [[ ! -d ${FCNN_FASHION_MNIST:-/usr/share/datasets/fashion-mnist} ]]; then
    digits=(--data "synthetic:size=28,channels=1,train=20000,val=5000")
fi
if train cpu models/lenet.cfg "${digits[@]}" --epochs $epochs --device cpu; then
    on_cpu=${log[val_accuracy]}
    row "lenet, cpu, $epochs epochs" "accuracy $on_cpu, ${log[images_per_second]} images/s"
    if train cuda models/lenet.cfg "${digits[@]}" --epochs $epochs --device cuda; then
        difference=$(awk "BEGIN { d = 100 * (${log[val_accuracy]} - $on_cpu); print d < 0 ? -d : d }")
        row "lenet, cuda, $epochs epochs" "accuracy ${log[val_accuracy]}, ${log[images_per_second]} images/s"
        if awk "BEGIN { exit !($difference <= 0.3) }"; then
            row "lenet, cuda against cpu" "passed: $difference points apart (0.3 allowed)"
        else
            failed=1
            row "lenet, cuda against cpu" "FAILED: $difference points apart (0.3 allowed)"
        fi
        if train again models/lenet.cfg "${digits[@]}" --epochs $epochs --device cuda; then
            if cmp -s "$out/cuda/model.safetensors" "$out/again/model.safetensors"; then
                row "lenet, the same bits twice" "passed"
            else
                failed=1
                row "lenet, the same bits twice" "FAILED"
            fi
        fi
    fi
fi
photographs=${data:-synthetic:size=224,channels=3,train=2000,val=500}
epochs=3
[[ $quick ]] && epochs=1
for precision in fp32 tf32; do
    if train "alexnet-$precision" models/alexnet.cfg --data "$photographs" --epochs $epochs \
        --device cuda --set net.precision=$precision; then
        row "alexnet, $precision, $epochs epochs" \
            "train loss ${log[train_loss]}, ${log[images_per_second]} images/s"
    fi
done

# ---- Steps by phase, on noise ----
for network in lenet cifar10 alexnet alexnet-512; do
    if step "bench train $network" timeout 900 "$build/fcnn-bench" train models/$network.cfg \
        --device cuda --batch 128 --steps 10; then
        sed -n '/^phase/,$p' "$out/log"
        row "bench train $network, batch 128" "$(sed -n 's/ (fastest.*//; / ms an image/p' "$out/log")"
    fi
done

# ---- Convolutions of maps by each algorithm, and inference by the model trained above ----
if step "bench conv" timeout 900 "$build/fcnn-bench" conv --device cuda --size 56 --kernel 3,5 \
    --batch 32 --repeats 3; then
    sed -n '/^kernel/,/^ceiling/p' "$out/log"
    row "bench conv, 56x56, batch 32" "largest error $(awk '/^[0-9]+x[0-9]+ / && $NF + 0 > most { most = $NF }
        END { print most }' "$out/log")"
fi
if [[ -e $out/cuda/model.safetensors ]] && step "bench infer lenet" timeout 900 "$build/fcnn-bench" \
    infer "$out/cuda/model.safetensors" --device cuda --batch 1 --steps 50; then
    row "bench infer lenet, batch 1" "$(sed -n 's/ (fastest.*//; / ms an image/p' "$out/log")"
fi

echo
echo "$version" | grep 'cuda:'
printf '%s\n' "${rows[@]}"
exit $failed
