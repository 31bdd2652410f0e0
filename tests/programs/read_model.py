import json, sys, numpy
file = open(sys.argv[1], "rb")
header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
metadata, data, tensors = header.pop("__metadata__"), file.read(), {}
print(json.loads(metadata["class_names"]))
for name, entry in header.items():
    start, end = entry["data_offsets"]
    array = numpy.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
    tensors[name] = array.view("<c8")[..., 0] if name.endswith(".spectrum") else array
    print(name, tensors[name].dtype, tensors[name].shape)
