#!/usr/bin/env python3
"""Makes the bad safetensors files beside this script, one lie each.

Run it after changing a case; its output is committed so that the tests need no
Python. Each begins from a good file of two tensors and changes one thing.
"""

import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def container(header, data, length=None):
    """A file of this header (an object, or text to be taken as it is) and data."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    raw = text.encode()
    raw += b" " * (-len(raw) % 8)
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def floats(count):
    return struct.pack(f"<{count}f", *(0.5 * i for i in range(count)))


def pair(second, data=floats(10), first=entry([2, 3], 0, 24)):
    return container({"a": first, "b": second}, data)


GOOD_B = entry([4], 24, 40)
GOOD = pair(GOOD_B)

CASES = {
    "overlap": pair(entry([4], 20, 36), floats(9)),
    "gap": pair(entry([4], 28, 44), floats(11)),
    "gap_at_start": pair(entry([4], 28, 44), floats(11), entry([2, 3], 4, 28)),
    "unclaimed_end": pair(GOOD_B, floats(12)),
    "data_cut_short": GOOD[:-4],
    "header_cut_short": GOOD[:20],
    "length_cut_short": GOOD[:5],
    "header_longer_than_file": container({"a": entry([2, 3], 0, 24)}, floats(6), 4096),
    "header_length_huge": container({}, b"", 2**63),
    "header_length_above_limit": container({}, b"", 100 * 2**20 + 1),
    "dtype_f64": pair(entry([4], 24, 56, "F64"), floats(14)),
    "f16_of_f32_size": pair(entry([4], 24, 40, "F16")),
    "f16_of_odd_size": pair(entry([3], 24, 32, "F16"), floats(8)),
    "f16_unaligned": container(
        {"a": entry([2], 1, 5, "F16"), "b": entry([2], 5, 9, "F16")}, floats(3)[:9]),
    "f32_after_odd_f16": container(
        {"a": entry([3], 0, 6, "F16"), "b": entry([4], 6, 22)}, floats(6)[:22]),
    "f16_shape_overflow": pair(entry([2**62, 2], 24, 40, "F16")),
    "dtype_number": pair(entry([4], 24, 40, 32)),
    "shape_offset_mismatch": pair(entry([5], 24, 40)),
    "shape_smaller_than_offsets": pair(entry([3], 24, 40)),
    "shape_overflow": pair(entry([2**31, 2**31, 4], 24, 40)),
    "shape_overflow_to_right_size": pair(entry([2**62, 4, 4], 24, 40)),
    "shape_negative": pair(entry([-4], 24, 40)),
    "shape_two_negatives": pair(entry([-2, -2], 24, 40)),
    "shape_fraction": pair(entry([4.5], 24, 40)),
    "shape_rank_7": pair(entry([1, 1, 1, 1, 1, 1, 4], 24, 40)),
    "shape_not_a_list": pair(entry(4, 24, 40)),
    "offset_not_integer": pair(entry([4], 24, 40.5)),
    "offset_text": pair(entry([4], "24", 40)),
    "offset_negative": pair(entry([4], -16, 0)),
    "offsets_reversed": pair(entry([4], 40, 24)),
    "offset_beyond_64_bits": pair(entry([4], 24, 2**64 + 40)),
    "offset_unaligned": container(
        {"a": entry([4], 2, 18), "b": entry([4], 18, 34)}, floats(9)),
    "offsets_three": pair({"dtype": "F32", "shape": [4], "data_offsets": [24, 40, 40]}),
    "key_missing": pair({"dtype": "F32", "shape": [4]}),
    "key_extra": pair({**GOOD_B, "device": "cpu"}),
    "entry_not_an_object": container({"a": [1, 2]}, b""),
    "not_json": container("{this is no JSON}", b""),
    "not_an_object": container("[1,2,3]", b""),
    "empty_header": container("", b""),
    "trailing_text": container('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}} x', floats(1)),
    "duplicate_name": container(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        '"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', floats(2)),
    "nested_too_deep": container('{"a":' * 2100 + "1" + "}" * 2100, b""),
    "zero_in_name": container('{"a\\u0000b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
                              floats(1)),
    "invalid_utf8": GOOD.replace(b'"b"', b'"\xff"'),
    "metadata_number": container({"__metadata__": {"format": 1}}, b""),
    "metadata_not_an_object": container({"__metadata__": "pt"}, b""),
}


def main():
    for name, content in CASES.items():
        (HERE / f"{name}.safetensors").write_bytes(content)


if __name__ == "__main__":
    main()
