# shellcheck shell=bash disable=SC2034,SC2154
# Sourced, with $build: ONNX Runtime in $runtime, or in $reason why it is not there. It is npm's
# package onnxruntime-node, which has its library inside: no script of the package is run. Once it
# is installed it stays in the build folder.
runtime=$build/onnxruntime
reason=
if [[ ! -e $runtime/installed ]]; then
    rm -rf "$runtime"
    mkdir "$runtime"
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        reason="node or npm was not found"
    elif ! timeout 300 npm install --prefix "$runtime" --ignore-scripts --no-audit --no-fund \
        --fetch-retries 0 onnxruntime-node@1.20.1 >"$runtime/log" 2>&1; then
        reason="npm could not install onnxruntime-node: $(tail -n 1 "$runtime/log")"
    elif ! node -e 'require(process.argv[1])' "$runtime/node_modules/onnxruntime-node" \
        >"$runtime/log" 2>&1; then
        reason="onnxruntime-node does not run here: $(tail -n 1 "$runtime/log")"
    else
        touch "$runtime/installed"
    fi
fi
