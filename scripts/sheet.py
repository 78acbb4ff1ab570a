"""Draw a sheet of pictures side by side: one row a picture, one column a folder.

    python scripts/sheet.py BEFORE MASKS AFTER -o sheet.png

The first folder says which pictures; in the others a file of the same stem is taken.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

CELL, GAP, LINE = 480, 12, 24


def find(folder: Path, stem: str) -> Image.Image:
    """Open the picture of a folder that has this stem, upright and at most CELL pixels a side."""
    for path in sorted(folder.glob(f"{stem}.*")):
        image: Image.Image = Image.open(path)
        if image.mode.startswith("I;16"):
            image = image.point(lambda value: value / 256).convert("L")
        return ImageOps.contain(ImageOps.exif_transpose(image).convert("RGB"), (CELL, CELL))
    return Image.new("RGB", (CELL, CELL // 2), "lightgrey")


def main() -> None:
    """Read the arguments, draw the sheet, write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()

    stems = sorted({path.stem for path in arguments.folders[0].iterdir() if path.is_file()})
    rows = [[find(folder, stem) for folder in arguments.folders] for stem in stems]
    heights = [max(image.height for image in row) + LINE + GAP for row in rows]
    width = (CELL + GAP) * len(arguments.folders) + GAP
    sheet = Image.new("RGB", (width, sum(heights) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for stem, row, height in zip(stems, rows, heights, strict=True):
        for column, (folder, image) in enumerate(zip(arguments.folders, row, strict=True)):
            left = GAP + column * (CELL + GAP)
            draw.text((left, top), f"{folder}/{stem}", fill="black", font_size=14)
            sheet.paste(image, (left, top + LINE))
        top += height
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.out)


if __name__ == "__main__":
    main()
