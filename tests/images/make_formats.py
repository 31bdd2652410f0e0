#!/usr/bin/python3
"""Writes tests/images/formats with Pillow (Debian's python3-pil): one picture of
16 x 8 pixels, its left half (200, 40, 90) and its right half (10, 180, 60), or
their greys 100 and 200, in forms of file that are not everyday ones.
"""

import os
from PIL import Image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "formats")


def halves(mode, left, right):
    image = Image.new(mode, (16, 8), left)
    image.paste(right, (8, 0, 16, 8))
    return image


def save(image, name, **options):
    image.save(os.path.join(HERE, name), **options)


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    colour = halves("RGB", (200, 40, 90), (10, 180, 60))
    jpeg = {"quality": 95, "subsampling": 0}
    save(colour, "progressive.jpg", progressive=True, **jpeg)
    save(colour.convert("CMYK"), "cmyk.jpg", **jpeg)
    rotated = Image.Exif()
    rotated[0x0112] = 6  # "turn by 90 degrees to show"
    save(colour, "rotated.jpg", exif=rotated, **jpeg)
    save(colour, "turned.webp", exif=rotated, quality=95)
    save(colour, "lzw.tif", compression="tiff_lzw")
    save(halves("I;16", 100 * 257, 200 * 257), "deep.tif")
    save(colour, "frames.webp", save_all=True, append_images=[Image.new("RGB", (16, 8))],
         lossless=True)
    clear = colour.convert("RGBA")
    clear.putalpha(0)
    save(clear, "transparent.png")
    save(halves("LA", (100, 0), (200, 255)), "grey-alpha.png")
    save(halves("I;16", 100 * 257, 200 * 257), "sixteen-bit.png")
    save(colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=4), "palette.png")
    frames = colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    save(frames, "frames.gif", save_all=True,
         append_images=[Image.new("P", (16, 8), 0), frames.transpose(Image.ROTATE_180)])
    save(colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=4), "palette.bmp")
