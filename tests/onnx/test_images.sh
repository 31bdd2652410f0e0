#!/usr/bin/env bash
# test_images.sh BUILD [CFG [EPOCHS]]: trains a network (lenet.cfg, two epochs) on all of
# Fashion-MNIST, and scores its ONNX file by ONNX Runtime on the 10,000 test images: the same
# accuracy as the last line of the run's log, and its loss to 1e-5. Takes a few minutes.
source "$(dirname "$0")/../programs/common.sh"
source "$tests/onnx/runtime.sh"
[[ ! $reason ]] || fail "$reason"

"$train" "${2:-$source_root/models/lenet.cfg}" --data fashion-mnist --epochs "${3:-2}" --out run
succeed "$build/fcnn-convert" run/model.safetensors --onnx network.onnx --size 28x28
cat out
mkdir images
succeed "$build/tests/onnx_peer" run run/model.safetensors images 10000 fashion-mnist
succeed node "$tests/onnx/compare.js" "$runtime" network.onnx images 64
python3 - "$(tail -n 1 run/log.csv)" <<'END' || fail "another accuracy or loss"
import json, sys
loss, accuracy = (float(x) for x in sys.argv[1].split(",")[4:6])
result = json.load(open("out"))
print(f"log           accuracy {accuracy:.6f}, loss {loss:.6f}")
for side in ("fcnn", "onnx"):
    scores = result[side]
    print(f"{side}, logits  accuracy {scores['accuracy']:.6f}, loss {scores['loss']:.6f}")
print(f"largest difference of logits {result['difference']:.1e} of the largest logit; "
      f"{result['ms_per_image']:.3f} ms an image in ONNX Runtime")
sys.exit(not (result["images"] == 10000 and abs(result["onnx"]["accuracy"] - accuracy) < 1e-9 and
              abs(result["onnx"]["loss"] - loss) <= 1e-5))
END
ok "ONNX Runtime gives the log's accuracy and loss"
