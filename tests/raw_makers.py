"""Small DNGs that the tests of RAW files share."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cleanplate.picture import directory
from cleanplate.picture.directory import Directory, longs, octets, rational, shorts, text
from cleanplate.picture.mosaic import PATTERNS

MATRIX = (0.6461, -0.1164, -0.0857, -0.3825, 1.1597, 0.2534, -0.0416, 0.154, 0.6039)
BLACK, WHITE = 128, 4095
COLOURS = {"R": 0, "G": 1, "B": 2}
LEVELS = {"R": 0.6, "G": 0.4, "B": 0.2}  # of light on a flat scene


def flat(pattern: str, height: int, width: int, noise: float = 60.0, seed: int = 0) -> Any:
    """A noisy mosaic (H, W) uint16 of one colour that tells red, green and blue apart."""
    rng = np.random.default_rng(seed)
    square = np.array([LEVELS[colour] for colour in pattern]).reshape(2, 2)
    light = np.tile(square, ((height + 1) // 2, (width + 1) // 2))[:height, :width]
    values = light * (WHITE - BLACK) + BLACK + rng.normal(0, noise, (height, width))
    return np.rint(values).clip(0, WHITE).astype(np.uint16)


def framed(pattern: str, height: int, width: int, margins: tuple[int, int]) -> Any:
    """A mosaic (H, W) as `flat` gives it, whose pattern begins behind dark margins."""
    top, left = margins
    mosaic = np.full((height, width), BLACK, np.uint16)
    mosaic[top:, left:] = flat(pattern, height - top, width - left)
    return mosaic


def packed(mosaic: NDArray[np.uint16], bits: int, order: str = "<") -> bytes:
    """Samples as DNG packs them: rows of bits, the highest first; 16 bits in the file's order."""
    if bits == 16:
        return mosaic.astype(order + "u2").tobytes()
    rows = []
    for row in mosaic:
        line = "".join(f"{int(sample):0{bits}b}" for sample in row)
        line += "0" * (-len(line) % 8)
        rows.append(int(line, 2).to_bytes(len(line) // 8, "big"))
    return b"".join(rows)


def lossless_jpeg(mosaic: NDArray[np.uint16], depth: int = 16) -> bytes:
    """A one-component lossless JPEG (ITU T.81, annex H), by the sample on the left."""
    height, width = mosaic.shape
    samples = mosaic.astype(int)
    guess = np.empty_like(samples)
    guess[:, 1:] = samples[:, :-1]
    guess[1:, 0] = samples[:-1, 0]
    guess[0, 0] = 1 << (depth - 1)
    bits = []
    for error in ((samples - guess + 32768) % 65536 - 32768).ravel():
        size = int(abs(error)).bit_length()  # every size has a code of five bits
        bits.append(f"{size:05b}")
        if 0 < size < 16:
            bits.append(f"{error if error > 0 else error + (1 << size) - 1:0{size}b}")
    line = "".join(bits)
    line += "1" * (-len(line) % 8)
    coded = int(line, 2).to_bytes(len(line) // 8, "big").replace(b"\xff", b"\xff\0")
    counts = bytes([0, 0, 0, 0, 17, *[0] * 11])
    table = b"\xff\xc4" + struct.pack(">HB", 3 + 16 + 17, 0) + counts + bytes(range(17))
    frame = b"\xff\xc3" + struct.pack(">HBHHB3B", 11, depth, height, width, 1, 0, 0x11, 0)
    scan = b"\xff\xda" + struct.pack(">HB2B3B", 8, 1, 0, 0, 1, 0, 0)
    return b"\xff\xd8" + frame + table + scan + coded + b"\xff\xd9"


def dng(
    mosaic: NDArray[np.uint16],
    pattern: str = "RGGB",
    *,
    bits: int = 16,
    order: str = "<",
    margins: tuple[int, int] = (0, 0),
    black: tuple[int, int, int, int] = (BLACK,) * 4,
    white: int | None = WHITE,
    table: tuple[int, ...] = (),
    tile: int = 0,
    lossless: bool = False,
    behind: bytes = b"",
    more: Directory | None = None,
) -> bytes:
    """A DNG with one directory; `margins` (rows, columns) of the upper left get no light."""
    assert pattern in PATTERNS
    height, width = mosaic.shape
    blocks = [mosaic]
    if tile:
        whole = np.pad(mosaic, ((0, -height % tile), (0, -width % tile)), "edge")
        blocks = [
            whole[y : y + tile, x : x + tile]
            for y in range(0, height, tile)
            for x in range(0, width, tile)
        ]
    coded = [
        lossless_jpeg(block, bits) if lossless else packed(block, bits, order) for block in blocks
    ]
    coded = [block + bytes(len(block) % 2) for block in coded]
    offsets = np.cumsum([8, *map(len, coded)]).tolist()
    exif = {33434: rational(order, 0.01), 34855: shorts(order, 800)}
    tags: Directory = {
        254: longs(order, 0),
        256: longs(order, width),
        257: longs(order, height),
        258: shorts(order, bits),
        259: shorts(order, 7 if lossless else 1),
        262: shorts(order, 32803),
        271: text("Testmaker"),
        272: text("Testcam"),
        274: shorts(order, 1),
        277: shorts(order, 1),
        284: shorts(order, 1),
        34665: directory.Entry(4, 1, bytes(4), exif),
        33421: shorts(order, 2, 2),
        33422: octets(*(COLOURS[colour] for colour in pattern)),
        50706: octets(1, 4, 0, 0),
        50707: octets(1, 1, 0, 0),
        50708: text("Testmaker Testcam"),
        50713: shorts(order, 2, 2),
        50714: shorts(order, *black),
        50721: rational(order, *MATRIX, signed=True),
        50778: shorts(order, 21),
        50728: rational(order, 0.5, 1.0, 0.6),
        50829: longs(order, *margins, height, width),
    }
    if white is not None:
        tags[50717] = longs(order, white)
    if table:
        tags[50712] = shorts(order, *table)
    if tile:
        tags |= {322: longs(order, tile), 323: longs(order, tile)}
    else:
        tags[278] = longs(order, height)
    tags[324 if tile else 273] = longs(order, *offsets[:-1])
    tags[325 if tile else 279] = longs(order, *map(len, coded))
    tags |= more or {}
    at = offsets[-1] + len(behind)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    if lossless:  # as converters write it: the mosaic is the last thing in the file
        start = 8 + len(directory.pack(tags, 8, order))
        tags[324 if tile else 273] = longs(order, *(start + o - 8 for o in offsets[:-1]))
        head = head[:4] + struct.pack(order + "I", 8)
        return b"".join([head, directory.pack(tags, 8, order), *coded, behind])
    return b"".join([head, *coded, behind, directory.pack(tags, at, order)])
