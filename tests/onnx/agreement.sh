#!/usr/bin/env bash
# agreement.sh BUILD [PICTURES]: the networks of models/ at their full size, with weights moved from
# their start and norms that have seen pictures, as ONNX files; a line each: the largest difference
# of a logit by ONNX Runtime from fcnn's over the largest logit. Takes some minutes and 4 GiB.
source "$(dirname "$0")/../programs/common.sh"
source "$tests/onnx/runtime.sh"
[[ ! $reason ]] || fail "$reason"

# network CFG CHANNELS SIDE: side of the pictures.
network() {
    local cfg=$1 channels=$2 side=$3
    succeed "$build/tests/onnx_peer" make "$source_root/models/$cfg.cfg" $cfg.safetensors $channels 0
    succeed "$build/fcnn-convert" $cfg.safetensors --onnx $cfg.onnx --size ${side}x$side
    nodes=$(sed -n 's/^\([0-9]*\) nodes.*/\1/p' out)
    mkdir $cfg
    succeed "$build/tests/onnx_peer" run $cfg.safetensors $cfg "$pictures" ${side}x$side
    succeed node "$tests/onnx/compare.js" "$runtime" $cfg.onnx $cfg 4
    printf '%-18s %3s nodes, %5.1f MB, difference %s\n' $cfg "$nodes" \
        "$(stat -c %s $cfg.onnx | awk '{ print $1 / 1e6 }')" \
        "$(python3 -c 'import json; print("%.1e" % json.load(open("out"))["difference"])')"
    rm -r $cfg $cfg.*
}

pictures=${2:-100}
network lenet 1 28
network lenet-fused 1 28
network cifar10 3 32
network cifar10-resnet 3 32
network alexnet 3 224
network alexnet-512-lean 3 512
network vgg11 3 224
