"""positions.py CHECKPOINT OUT KEY=VALUE...: writes it with other metadata."""
import json
import sys

data = open(sys.argv[1], "rb").read()
length = int.from_bytes(data[:8], "little")
header = json.loads(data[8 : 8 + length])
header["__metadata__"].update(pair.split("=", 1) for pair in sys.argv[3:])
packed = json.dumps(header).encode()
with open(sys.argv[2], "wb") as file:
    file.write(len(packed).to_bytes(8, "little") + packed + data[8 + length :])
