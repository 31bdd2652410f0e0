"""references.py CHECKPOINT: writes it as reference0.safetensors and so on, each with another text
in place of the one that says where its weights are."""
import json
import sys

data = open(sys.argv[1], "rb").read()
length = int.from_bytes(data[:8], "little")
header = json.loads(data[8 : 8 + length])
right = header["__metadata__"]["weights"]
digits, names = right[:16], right[16:]
wrong = ["", "0123", digits + " ../short/model.safetensors", digits, "x" * 16 + names,
         right + " a" * 200]
for number, text in enumerate(wrong):
    header["__metadata__"]["weights"] = text
    packed = json.dumps(header).encode()
    with open(f"reference{number}.safetensors", "wb") as file:
        file.write(len(packed).to_bytes(8, "little") + packed + data[8 + length :])
