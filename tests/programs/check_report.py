"""check_report.py REPORT: the page is well formed, its SVG parts are XML, and its
pictures are whole PNG files inside it; nothing is fetched from elsewhere. Prints
the numbers of drawings and pictures."""
import base64
import html.parser
import re
import struct
import sys
import xml.etree.ElementTree
import zlib

# Elements whose end tag HTML lets be left out, or that have none.
OPEN = {"p", "li", "tr", "td", "th", "thead", "tbody", "tfoot", "dt", "dd"}
VOID = {"meta", "br", "img"}


def check_png(data):
    """Returns width and height."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG"
    at, chunks = 8, {}
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(name + body), f"{name}: wrong CRC"
        chunks[name] = chunks.get(name, b"") + body
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    channels = {0: 1, 2: 3, 6: 4}[colour]
    assert depth == 8
    assert len(zlib.decompress(chunks[b"IDAT"])) == height * (1 + width * channels)
    assert b"IEND" in chunks
    return width, height


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.pictures = [], 0

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        assert tag not in ("script", "link", "iframe", "object"), tag
        for name in ("href", "srcset", "poster", "data", "action"):
            assert name not in values, f"{tag} has {name}"
        assert not any(name.startswith("on") for name in values), values
        assert len(values) == len(attributes), f"{tag} has an attribute twice"
        if tag == "img":
            start, data = values["src"].split(",", 1)
            assert start == "data:image/png;base64", start
            width, height = check_png(base64.b64decode(data, validate=True))
            assert int(values["width"]) % width == 0 and int(values["height"]) % height == 0
            self.pictures += 1
        else:
            assert "src" not in values, tag
        if tag not in OPEN and tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in ("line", "circle", "rect", "path"), tag

    def handle_endtag(self, tag):
        if tag not in OPEN:
            assert self.stack and self.stack.pop() == tag, f"</{tag}> closes nothing"


with open(sys.argv[1], "rb") as file:
    text = file.read().decode("utf-8")
assert text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n"), "not a whole page"
page = Page()
page.feed(text)
page.close()
assert not page.stack, page.stack
assert not re.search(r"https?:|@import|url\(", text), "refers to something elsewhere"
drawings = re.findall(r"<svg\b.*?</svg>", text, re.S)
for drawing in drawings:
    root = xml.etree.ElementTree.fromstring(drawing)
    left, top, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert left <= float(element.get(name, 0)) <= left + width, element.attrib
        for name in ("y", "y1", "y2", "cy"):
            assert top <= float(element.get(name, 0)) <= top + height, element.attrib
print(len(drawings), "drawings", page.pictures, "pictures")
