"""What can be read on a cleaned page, against the page as it was."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cleanplate.training.ocr import Line, Reader, character_error

PAGE = [
    Line(10, 10, 30, "Question"),
    Line(200, 12, 31, "5points"),
    Line(10, 50, 70, "answer"),
]


def test_the_same_page_has_no_error() -> None:
    assert character_error(PAGE, PAGE) == 0


def test_the_order_in_which_lines_are_found_costs_nothing() -> None:
    assert character_error(PAGE[::-1], PAGE) == 0


def test_a_line_that_is_read_in_two_costs_nothing() -> None:
    split = [Line(10, 10, 30, "Ques"), Line(60, 11, 29, "tion"), *PAGE[1:]]
    assert character_error(split, PAGE) == 0


def test_errors_are_counted_by_characters_of_the_true_page() -> None:
    wrong = [PAGE[0]._replace(text="Questien"), *PAGE[1:]]
    assert character_error(wrong, PAGE) == pytest.approx(1 / 21)


def test_a_line_that_is_gone_and_one_that_was_never_there_are_errors() -> None:
    assert character_error(PAGE[:2], PAGE) == pytest.approx(6 / 21)
    assert character_error([*PAGE, Line(10, 200, 220, "ink")], PAGE) == pytest.approx(3 / 21)


def test_an_empty_page_has_no_error_to_tell() -> None:
    assert np.isnan(character_error([], []))


def test_print_that_was_wiped_out_cannot_be_read() -> None:
    page = np.full((120, 420, 3), 255, np.uint8)
    for line, text in enumerate(("PRINTED WORDS", "ANOTHER LINE")):
        cv2.putText(page, text, (20, 45 + 50 * line), cv2.FONT_HERSHEY_DUPLEX, 1, (0, 0, 0), 2)
    wiped = page.copy()
    wiped[60:] = 255
    reader = Reader()
    error, noise = reader.errors(page, page)
    assert error == 0
    assert noise < 0.1
    assert reader.errors(wiped, page)[0] == pytest.approx(11 / 23, abs=0.1)
