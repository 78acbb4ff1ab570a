"""Forms and exam papers in Latin and Han script: what is printed, and the blanks in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from cleanplate.picture import Box
from cleanplate.training.data.arrays import Array
from cleanplate.training.data.synthesis.lettering import Lettering, load_font
from cleanplate.training.data.synthesis.pages import Typesetter, seen
from cleanplate.training.data.synthesis.seals import Seals

HAN_TITLES = (
    "期末考试试卷", "单元测试题", "入学申请表", "个人信息登记表", "请假申请单", "报销单",
    "课堂练习", "体检表", "调查问卷", "领料单", "合同书", "入库登记表", "会议签到表",
    "数学作业", "语文试卷",
)  # fmt: skip
LATIN_TITLES = (
    "Application Form", "Final Examination", "Registration", "Order Form", "Worksheet", "Invoice",
    "Questionnaire", "Claim Form", "Quiz", "Attendance", "Medical Record", "Delivery Note",
)  # fmt: skip
HAN_LABELS = (
    "姓名", "班级", "学号", "性别", "年龄", "日期", "电话", "地址", "单位", "职务", "部门", "得分",
    "签名", "备注", "编号", "金额", "身份证号", "联系人", "邮编", "审批意见", "数量", "单价",
)  # fmt: skip
LATIN_LABELS = (
    "Name", "Date", "Class", "Score", "Address", "Phone", "Signature", "Number", "City", "Amount",
    "Department", "Remarks", "Email", "Age", "Total", "Position", "Unit", "Quantity",
)  # fmt: skip
COLOURS = ((0.75, 0.2, 0.22), (0.25, 0.4, 0.75), (0.3, 0.6, 0.4), (0.55, 0.55, 0.55))
HEAD = 1.3  # room above a line to write on, in heights of the print


class Form(NamedTuple):
    """A clean page (H, W, 3) uint8, RGB, and the boxes in it that are there to be filled in."""

    page: Array
    blanks: list[Box]


class Forms:
    """A source of forms and exam papers."""

    def __init__(self, lettering: Lettering) -> None:
        """Set forms in the fonts of `lettering`."""
        self.lettering, self.seals = lettering, Seals(lettering)

    def draw(self, rng: np.random.Generator, height: int) -> Form:
        """Return a page of `height` pixels, portrait or landscape of DIN proportions."""
        ratio = 2**0.5 if rng.random() < 0.15 else 2**-0.5
        size = (int(height * ratio), height)
        sheet, rules = (Image.new("L", size, 255) for _ in range(2))
        setter = FormSetter(rng, self.lettering, sheet, rules)
        (setter.exam if rng.random() < 0.5 else setter.form)()
        page = seen(rng, np.asarray(sheet, np.float32) / 255)
        page = ruled(page, np.asarray(rules), COLOURS[rng.integers(len(COLOURS))])
        for _ in range(int(rng.choice((0, 1, 2), p=(0.55, 0.33, 0.12)))):
            page = self.seals.stamp(rng, page, min(size))
        return Form(page, setter.blanks)


class FormSetter(Typesetter):
    """Sets a form or an exam paper and remembers its blanks; rules may have a sheet of their own.

    Rules and frames go to `rules`, which is printed in a colour, or with the print.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        lettering: Lettering,
        sheet: Image.Image,
        rules: Image.Image,
    ) -> None:
        """Choose what the page has in common: script, font, size, the look of its rules."""
        super().__init__(rng, lettering, sheet)
        self.blanks: list[Box] = []
        self.ruler = ImageDraw.Draw(rules) if rng.random() < 0.2 else self.pen
        self.thick = max(1, round(self.size * rng.uniform(0.04, 0.1)))
        self.dotted = rng.random() < 0.15
        self.pitch = int(self.size * rng.uniform(1.7, 2.8))
        self.width = sheet.width - 2 * self.margin

    def form(self) -> None:
        """Set a form from its title to its signature."""
        self.title(HAN_TITLES if self.han else LATIN_TITLES)
        parts = (self.fields, self.cells, self.choices, self.paragraph, self.lines)
        while self.room() > 2 * self.pitch:
            part = self.rng.choice(len(parts), p=(0.4, 0.25, 0.15, 0.1, 0.1))
            parts[part]()
        self.fields()

    def exam(self) -> None:
        """Set an exam paper or a worksheet."""
        self.title(HAN_TITLES if self.han else LATIN_TITLES)
        self.fields()
        if self.rng.random() < 0.4:
            self.scores()
        kinds = (self.multiple_choice, self.gaps, self.open_question, self.squares)
        number = 1
        while self.room() > 3 * self.pitch:
            kind = self.rng.choice(len(kinds), p=(0.35, 0.3, 0.3, 0.05))
            for _ in range(int(self.rng.integers(1, 5))):
                if self.room() > 2 * self.pitch:
                    kinds[kind](number)
                    number += 1

    def kept(self, text: str) -> str:
        """Return a text without the characters that the font lacks."""
        return "".join(c for c in text if ord(c) in self.has or c == " ")

    def title(self, titles: Sequence[str]) -> None:
        """Set a title in the middle."""
        font = load_font(self.path, int(self.size * self.rng.uniform(1.6, 2.4)))
        words = self.kept(str(self.rng.choice(titles))) or "A"
        middle = (self.sheet.width / 2, self.y + font.size)
        self.pen.text(middle, words, self.ink, font, anchor="ms")
        self.y += int(2 * font.size)

    def say(self, x: float, text: str) -> float:
        """Set a text at x on the line; return where it ends."""
        font = load_font(self.path, self.size)
        self.pen.text((x, self.y + self.size), text, self.ink, font, anchor="ls")
        return x + font.getlength(text)

    def label(self) -> str:
        """Return a field's name with a colon."""
        words = self.kept(str(self.rng.choice(HAN_LABELS if self.han else LATIN_LABELS)))
        colon = "\uff1a" if self.han and 0xFF1A in self.has else ":"
        return (words or "A") + colon

    def rule(self, x: float, end: float, y: float) -> None:
        """Draw a line to write on."""
        if not self.dotted:
            self.ruler.line((x, y, end, y), self.ink, self.thick)
            return
        gap = 3 * self.thick + 1
        for at in range(int(x), int(end), gap):
            self.ruler.line((at, y, at + self.thick, y), self.ink, self.thick)

    def blank(self, x: float, end: float, foot: float, height: float) -> None:
        """Note a box that is there to be filled in."""
        if end - x > 4:
            self.blanks.append(Box(int(foot - height), int(x), int(foot), int(end)))

    def fields(self) -> None:
        """Set a row of one to four labels with lines to fill in."""
        columns = int(self.rng.integers(1, 5))
        step = self.width / columns
        foot = self.y + 1.15 * self.size
        for column in range(columns):
            start = self.margin + column * step
            x = self.say(start, self.label()) + 0.2 * self.size
            end = start + step * self.rng.uniform(0.8, 0.95)
            if x < end:
                self.rule(x, end, foot)
                self.blank(x, end, foot, HEAD * self.size)
        self.y += self.pitch

    def lines(self) -> None:
        """Set a label and some lines of the page's width."""
        self.say(self.margin, self.label())
        for _ in range(int(self.rng.integers(1, 6))):
            self.y += self.pitch
            if self.room() <= 0:
                return
            foot = self.y + 1.15 * self.size
            self.rule(self.margin, self.margin + self.width, foot)
            self.blank(self.margin, self.margin + self.width, foot, HEAD * self.size)
        self.y += self.pitch

    def choices(self) -> None:
        """Set a question with boxes to tick."""
        x = self.say(self.margin, self.label()) + self.size
        side = int(self.size * self.rng.uniform(0.7, 0.95))
        foot = self.y + self.size
        while x < self.margin + self.width - 4 * self.size:
            self.ruler.rectangle((x, foot - side, x + side, foot), None, self.ink, self.thick)
            self.blank(x, x + side, foot, side)
            words = self.text(self.size * self.rng.uniform(2, 6), self.size).strip()
            x = self.say(x + 1.3 * side, words) + self.size * self.rng.uniform(0.6, 2)
        self.y += self.pitch

    def cells(self) -> None:
        """Set a ruled table, each row of its own columns, labels beside empty cells."""
        rows = min(int(self.rng.integers(2, 8)), max(1, self.room() // self.pitch))
        columns, fixed = int(self.rng.integers(2, 7)), self.rng.random() < 0.5
        for row in range(rows):
            if not fixed:
                columns = int(self.rng.integers(1, 4)) * 2
            step = self.width / columns
            for column in range(columns):
                x, end = self.margin + column * step, self.margin + (column + 1) * step
                y, foot = self.y, self.y + self.pitch
                self.ruler.rectangle((x, y, end, foot), None, self.ink, self.thick)
                if row == 0 if fixed else column % 2 == 0:
                    self._cell(x, end)
                else:
                    inset = 0.1 * self.pitch
                    self.blank(x + inset, end - inset, foot - inset, self.pitch - 2 * inset)
            self.y += self.pitch
        self.y += self.size

    def _cell(self, x: float, end: float) -> None:
        """Set a label in the middle of a cell."""
        font, words = load_font(self.path, self.size), self.label()[:-1]
        while len(words) > 1 and font.getlength(words) > end - x:
            words = words[:-1]
        middle = ((x + end) / 2, self.y + self.pitch / 2)
        self.pen.text(middle, words, self.ink, font, anchor="mm")

    def scores(self) -> None:
        """Set the table of an exam's marks."""
        columns = int(self.rng.integers(4, 10))
        step = self.width / columns
        for row in range(2):
            for column in range(columns):
                x, y = self.margin + column * step, self.y + row * self.pitch
                self.ruler.rectangle((x, y, x + step, y + self.pitch), None, self.ink, self.thick)
                if row and column:
                    self.blank(x + 4, x + step - 4, y + self.pitch - 2, self.pitch - 4)
                elif not row and column:
                    font = load_font(self.path, self.size)
                    middle = (x + step / 2, y + self.pitch / 2)
                    self.pen.text(middle, str(column), self.ink, font, anchor="mm")
        self.y += int(2.6 * self.pitch)

    def multiple_choice(self, number: int) -> None:
        """Set a question with brackets for the answer, and the answers to choose from."""
        words = self.text(self.width * self.rng.uniform(0.3, 0.75), self.size).strip()
        x = self.say(self.margin, f"{number}. {words} (")
        end = x + self.size * self.rng.uniform(1.5, 3)
        self.say(end, ")")
        self.blank(x, end, self.y + 1.1 * self.size, 1.2 * self.size)
        self.y += self.pitch
        columns = int(self.rng.choice((1, 2, 4)))
        step = self.width / columns
        for place, letter in enumerate("ABCD"):
            column = place % columns
            if place and not column:
                self.y += int(0.8 * self.pitch)
            words = self.text(step * self.rng.uniform(0.2, 0.7), self.size).strip()
            self.say(self.margin + self.size + column * step, f"{letter}. {words}")
        self.y += self.pitch

    def gaps(self, number: int) -> None:
        """Set a sentence with gaps."""
        x = self.say(self.margin, f"{number}. ")
        last = self.margin + self.width
        for _ in range(int(self.rng.integers(1, 5))):
            words = min(self.width * self.rng.uniform(0.06, 0.3), last - x)
            x = self.say(x, self.text(words, self.size))
            end = x + self.size * self.rng.uniform(2, 7)
            if end > last:
                break
            foot = self.y + 1.15 * self.size
            self.rule(x, end, foot)
            self.blank(x, end, foot, HEAD * self.size)
            x = end + 0.3 * self.size
        self.y += self.pitch

    def open_question(self, number: int) -> None:
        """Set a question and room for its answer, ruled or not."""
        self.say(self.margin, f"{number}. {self.text(self.width * 0.85, self.size).strip()}")
        self.y += self.pitch
        rows = min(int(self.rng.integers(1, 6)), max(1, self.room() // self.pitch))
        lined = self.rng.random() < 0.4
        for _ in range(rows):
            foot = self.y + 1.1 * self.size
            if lined:
                self.rule(self.margin, self.margin + self.width, foot)
            self.blank(self.margin, self.margin + self.width, foot, HEAD * self.size)
            self.y += self.pitch

    def squares(self, number: int) -> None:
        """Set rows of squares, one a character, as Chinese compositions are written in."""
        self.say(self.margin, f"{number}. {self.text(self.width * 0.5, self.size).strip()}")
        self.y += self.pitch
        side = int(self.size * self.rng.uniform(1.5, 2.2))
        for _ in range(int(self.rng.integers(2, 8))):
            if self.room() < side:
                return
            for column in range(self.width // side):
                x = self.margin + column * side
                self.ruler.rectangle(
                    (x, self.y, x + side, self.y + side), None, self.ink, self.thick
                )
            self.blank(self.margin, self.margin + self.width // side * side, self.y + side, side)
            self.y += int(1.25 * side)


def ruled(page: Array, rules: Array, colour: Sequence[float]) -> Array:
    """Print rules (H, W), 255 where there are none, on a page; the colour is light in [0, 1]."""
    if rules.min() == 255:
        return page
    cover = 1 - rules[..., None].astype(np.float32) / 255
    return np.rint(page * (1 - cover * (1 - np.asarray(colour, np.float32)))).astype(np.uint8)
