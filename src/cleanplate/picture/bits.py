"""Bits of coded pictures, AV1 and HEVC: whether they were coded without loss, and their colours.

After the AV1 Bitstream Specification, 5.5 and 5.9, and ITU-T H.265, 7.3.2.3; no more is read than
what leads to these.
"""

from __future__ import annotations

from dataclasses import dataclass

_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6  # kinds of OBUs
_CHOOSE = 2
_KEY_FRAME = 0
_PPS = 34  # kind of NAL unit
UNSPECIFIED = (2, 2)
"""Primaries and transfer function that are not said, in the numbers of ITU-T H.273."""


class Bits:
    """Reads numbers from the highest bit on.

    Reading beyond the end raises ValueError.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def take(self, count: int) -> int:
        """Return the next `count` bits as a number."""
        end = self.at + count
        if end > 8 * len(self._data):
            raise ValueError("the bits end too early")
        first, last = self.at // 8, -(-end // 8)
        number = int.from_bytes(self._data[first:last], "big") >> (8 * last - end)
        self.at = end
        return number & ((1 << count) - 1)

    def flag(self) -> bool:
        """Return the next bit."""
        return bool(self.take(1))

    def golomb(self) -> int:
        """Return a number of variable length (ue(v) of H.265, 9.2)."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise ValueError("a number is too long")
        return (1 << zeros) - 1 + self.take(zeros)


@dataclass
class Av1:
    """What an AV1 picture says of itself.

    Attributes:
        size: columns and rows.
        colours: primaries and transfer function, in the numbers of ITU-T H.273; 2: not said.
        place: the bit at which they stand; None where they do not.
        lossless: whether the samples are coded without loss.
    """

    size: tuple[int, int] = (0, 0)
    colours: tuple[int, int] = UNSPECIFIED
    place: int | None = None
    lossless: bool = False


def av1(data: bytes) -> Av1:
    """Read an AV1 picture.

    Raises:
        ValueError: it is cut short, or made in a way that no still is.
    """
    found = Av1()
    sequence: _Sequence | None = None
    at = 0
    while at < len(data):
        head = Bits(data, 8 * at)
        _, kind, extended, sized, _ = (head.take(count) for count in (1, 4, 1, 1, 1))
        head.take(8 * extended)
        size = _leb128(head) if sized else len(data) - head.at // 8
        at = head.at // 8 + size
        if kind == _SEQUENCE:
            sequence = _Sequence(head)
            found.size = sequence.width, sequence.height
            found.colours, found.place = sequence.colours, sequence.place
        elif kind in (_FRAME_HEADER, _FRAME) and sequence:
            found.lossless = _is_lossless(head, sequence)
            return found
    return found


def replaced(data: bytes, place: int, colours: tuple[int, int]) -> bytes:
    """Return an AV1 picture with other primaries and transfer function at `Av1.place`."""
    head = data[: place // 8 + 3]  # the three bytes that the two numbers reach into end it
    shift = 8 * len(head) - place - 16
    number = int.from_bytes(head, "big") & ~(0xFFFF << shift)
    number |= (colours[0] << 8 | colours[1]) << shift
    return number.to_bytes(len(head), "big") + data[len(head) :]


def hevc_lossless(unit: bytes) -> bool:
    """Return whether a picture parameter set, with its head of two bytes, allows lossless blocks.

    Encoders say so where the whole picture is lossless.
    """
    if unit[0] >> 1 & 63 != _PPS:
        return False
    bits = Bits(unit.replace(b"\0\0\3", b"\0\0"), 16)
    bits.golomb()
    bits.golomb()
    bits.take(7)  # dependent slices, output flag, extra bits of slices, sign hiding, CABAC
    for _ in range(3):
        bits.golomb()
    bits.take(2)  # constrained intra prediction, transform skip
    if bits.flag():
        bits.golomb()
    bits.golomb()
    bits.golomb()
    bits.take(3)  # offsets of chroma in slices, weighted prediction
    return bits.flag()


class _Sequence:
    """The sequence header, from the bit on that follows its head."""

    def __init__(self, bits: Bits) -> None:
        profile = bits.take(3)
        bits.take(1)
        self.reduced = bits.flag()
        if self.reduced:
            bits.take(5)
        else:
            self._operating_points(bits)
        widths = bits.take(4) + 1, bits.take(4) + 1
        self.size_bits = widths
        self.width, self.height = (bits.take(count) + 1 for count in widths)
        self.identifier_bits = 0
        if not self.reduced and bits.flag():
            delta = bits.take(4) + 2
            self.identifier_bits = bits.take(3) + delta + 1
        self.wide_blocks = bits.flag()
        bits.take(2)
        self.screen_content = self.integer_motion = _CHOOSE
        self.order_bits = 0
        if not self.reduced:
            self._tools(bits)
        self.scaled = bits.flag()
        bits.take(2)
        self._colours(bits, profile)

    def _operating_points(self, bits: Bits) -> None:
        if bits.flag():
            raise ValueError("it has timing")
        delayed = bits.flag()
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if delayed and bits.flag():
                bits.take(4)

    def _tools(self, bits: Bits) -> None:
        bits.take(4)
        ordered = bits.flag()
        if ordered:
            bits.take(2)
        self.screen_content = _CHOOSE if bits.flag() else bits.take(1)
        if self.screen_content:
            self.integer_motion = _CHOOSE if bits.flag() else bits.take(1)
        if ordered:
            self.order_bits = bits.take(3) + 1

    def _colours(self, bits: Bits, profile: int) -> None:
        deep = bits.flag()
        twelve = profile == 2 and deep and bits.flag()
        self.grey = profile != 1 and bits.flag()
        self.place: int | None = None
        self.colours, matrix = UNSPECIFIED, 2
        if bits.flag():
            self.place = bits.at
            self.colours = bits.take(8), bits.take(8)
            matrix = bits.take(8)
        self.apart = False  # whether the two planes of chroma have steps of their own
        if self.grey:
            bits.take(1)
            return
        if (*self.colours, matrix) != (1, 13, 0):
            bits.take(1)
            if profile == 0:
                bits.take(2)
            elif profile == 2:
                halved = not twelve or bits.flag()
                if twelve and halved and bits.flag():
                    bits.take(2)
        self.apart = bits.flag()


def _leb128(bits: Bits) -> int:
    number = 0
    for place in range(8):
        byte = bits.take(8)
        number |= (byte & 127) << 7 * place
        if byte < 128:
            break
    return number


def _is_lossless(bits: Bits, sequence: _Sequence) -> bool:
    """Read a frame header as far as its quantiser."""
    if not sequence.reduced:
        shown_before, kind, shown = bits.flag(), bits.take(2), bits.flag()
        if shown_before or kind != _KEY_FRAME or not shown:
            raise ValueError("it is no still")
    fixed = bits.flag()
    screen = sequence.screen_content
    screen = bits.take(1) if screen == _CHOOSE else screen
    if screen and sequence.integer_motion == _CHOOSE:
        bits.take(1)
    bits.take(sequence.identifier_bits)
    resized = not sequence.reduced and bits.flag()
    bits.take(sequence.order_bits)
    width, height = sequence.width, sequence.height
    if resized:
        width, height = (bits.take(count) + 1 for count in sequence.size_bits)
    if sequence.scaled and bits.flag():
        raise ValueError("it is stored narrower than it is shown")
    if bits.flag():
        bits.take(32)
    if screen:
        bits.take(1)
    if not (sequence.reduced or fixed):
        bits.take(1)
    _skip_tiles(bits, width, height, sequence.wide_blocks)
    step = bits.take(8)
    offsets = [_offset(bits)]
    if not sequence.grey:
        planes = 2 if sequence.apart and bits.flag() else 1
        offsets += [_offset(bits) for _ in range(2 * planes)]
    return not step and not any(offsets)


def _offset(bits: Bits) -> int:
    return bits.take(7) if bits.flag() else 0


def _skip_tiles(bits: Bits, width: int, height: int, wide: bool) -> None:
    shift = 5 if wide else 4
    columns, rows = (-(-2 * ((side + 7) >> 3) // (1 << shift)) for side in (width, height))
    most = 4096 >> (shift + 2), (4096 * 2304) >> 2 * (shift + 2)
    least = max(_log2(most[0], columns), _log2(most[1], rows * columns))
    if not bits.flag():
        raise ValueError("its tiles are uneven")
    across = _counted(bits, _log2(most[0], columns), _log2(1, min(columns, 64)))
    down = _counted(bits, max(least - across, 0), _log2(1, min(rows, 64)))
    if across or down:
        bits.take(across + down + 2)


def _counted(bits: Bits, low: int, high: int) -> int:
    while low < high and bits.flag():
        low += 1
    return low


def _log2(block: int, target: int) -> int:
    count = 0
    while block << count < target:
        count += 1
    return count
