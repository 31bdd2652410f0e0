#!/usr/bin/env bash
# From nothing to a trained network: installs what is missing, builds, trains
# models/lenet.cfg on Fashion-MNIST into runs/quickstart and classifies a picture.
# Options go to fcnn-train, as in: train/quickstart.sh --epochs 1
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
picture=tests/images/ankle-boot.png

bash tests/packages.sh build

if [[ -x build/fcnn-train && -x build/fcnn-infer ]]; then
    echo "checking the build in build/ (a few seconds)"
else
    echo "building fcnn in build/ (half a minute to two minutes)"
fi
# The CUDA backend takes minutes to compile, for nothing where no GPU is.
options=(-DFCNN_TESTS=OFF)
if [[ ! -e build/CMakeCache.txt ]] && ! nvidia-smi -L >/dev/null 2>&1; then
    options+=(-DFCNN_CUDA=OFF)
fi
mkdir -p build
{
    cmake -S . -B build "${options[@]}" &&
        cmake --build build -j "$(nproc)"
} </dev/null >build/quickstart.log 2>&1 || {
    tail -n 40 build/quickstart.log >&2
    echo "the build failed; all of its log is in build/quickstart.log" >&2
    exit 1
}

echo "training: fcnn-train models/lenet.cfg $* (Fashion-MNIST; 5 epochs take one to four minutes)"
build/fcnn-train models/lenet.cfg --out runs/quickstart "$@" >build/quickstart-train.log || {
    code=$?
    cat build/quickstart-train.log
    exit $code
}
model=$(sed -n 's/^model: //p' build/quickstart-train.log)
if [[ ! $model ]]; then # --help and the like
    cat build/quickstart-train.log
    exit
fi
grep -E '^(every layer|[0-9]+ layers between|peak resident)' build/quickstart-train.log || true

echo "classifying $picture:"
build/fcnn-infer "$model" $picture --top 3
accuracy=$(sed -nE 's/^(test|validation) accuracy ([0-9.]+),.*/\1 accuracy \2/p' \
    build/quickstart-train.log | sort | head -n 1)
echo "$accuracy; classify a picture with: build/fcnn-infer $model $picture --top 3"
