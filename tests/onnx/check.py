"""What python3-onnx says of ONNX files: the checker, with shape inference, and the metadata.

usage: check.py FILE...

Each file has to pass the full check, with float shapes of (batch, classes) inferred for both
outputs and no value left without a shape, and to have the metadata that include/onnx.h promises.
"""

import json
import sys

import onnx


def shape_of(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def check(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    known = {v.name: shape_of(v) for v in [*graph.value_info, *graph.input, *graph.output]}
    classes = len(json.loads(metadata(model)["class_names"]))
    assert shape_of(graph.input[0])[0] == "batch" and len(shape_of(graph.input[0])) == 4
    for name in ("logits", "probabilities"):
        assert known[name] == ["batch", classes], (name, known[name])
    for node in graph.node:
        for output in node.output:
            assert output in known, f"{output} has no shape"
    used = {name for node in graph.node for name in node.input}
    unused = [t.name for t in graph.initializer if t.name not in used]
    assert not unused, f"nothing reads {unused}"
    preprocessing = json.loads(metadata(model)["preprocessing"])
    assert len(preprocessing["mean"]) == shape_of(graph.input[0])[1]
    assert metadata(model)["config"].startswith("[net]") and metadata(model)["fcnn_version"]
    print(f"{path}: {len(graph.node)} nodes, opset {model.opset_import[0].version}")


def metadata(model):
    return {p.key: p.value for p in model.metadata_props}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        check(argument)
