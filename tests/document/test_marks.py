"""Marks that are drawn by the document: what is tagged goes, what only repeats goes when asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2
import pytest
from fakes import Blot
from pdf_makers import cleaned, problems, saved
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String
from typer.testing import CliRunner

from cleanplate.cli import make_app
from cleanplate.document import CleanedPage, Document
from cleanplate.document.pdf import marks_of
from cleanplate.document.pdf.content import operations, without

CLAUSE = b"BT /F1 14 Tf 20 150 Td (Clause 7 stays.) Tj ET\n0.2 0.4 0.8 rg 20 20 60 30 re f\n"
TURNED = b"q /Faint gs 0.7 0.7 -0.7 0.7 60 20 cm BT /F1 24 Tf 0 0 Td (DRAFT) Tj ET Q\n"
TEXT_BEFORE = b"BT /F1 9 Tf 20 180 Td (The first line) Tj ET\n"


def paper(
    pdf: Pdf, content: bytes = CLAUSE, objects: dict[str, Stream] | None = None
) -> Dictionary:
    """A page of print, with a faint graphics state and a font for marks."""
    pdf.add_blank_page(page_size=(200, 200))
    page = pdf.pages[-1].obj
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    page.Resources = Dictionary(
        Font=Dictionary(F1=font),
        ExtGState=Dictionary(Faint=Dictionary(ca=0.4, CA=0.4)),
        XObject=Dictionary(objects or {}),
        Properties=Dictionary(),
    )
    page.Contents = pdf.make_stream(content)
    return page


def form(pdf: Pdf, content: bytes = TURNED, **entries: object) -> Stream:
    stream = pdf.make_stream(content)
    stream.Type, stream.Subtype = Name.XObject, Name.Form
    stream.BBox = Array([0, 0, 200, 200])
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    stream.Resources = Dictionary(
        Font=Dictionary(F1=font), ExtGState=Dictionary(Faint=Dictionary(ca=0.4))
    )
    for key, value in entries.items():
        stream[f"/{key}"] = value
    return pdf.make_indirect(stream)  # type: ignore[return-value]


def layer(pdf: Pdf, name: str = "Watermark") -> Dictionary:
    group = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String(name)))
    pdf.Root.OCProperties = Dictionary(
        OCGs=Array([group]), D=Dictionary(ON=Array([group]), Order=Array([group]))
    )
    return group  # type: ignore[return-value]


def artifact(pdf: Pdf) -> None:
    tag = b"/Artifact <</Type /Pagination /Subtype /Watermark>> BDC\n"
    paper(pdf, TEXT_BEFORE + tag + TURNED + b"EMC\n" + CLAUSE)


def named_artifact(pdf: Pdf) -> None:
    page = paper(pdf, TEXT_BEFORE + b"/Artifact /MC0 BDC\n" + TURNED + b"EMC\n" + CLAUSE)
    page.Resources.Properties.MC0 = Dictionary(Subtype=Name.Watermark, Type=Name.Pagination)


def state_that_stays(pdf: Pdf) -> None:
    """What the mark sets without saving it holds for the print after it."""
    tag = b"/Artifact <</Subtype /Watermark>> BDC 0.2 0.4 0.8 rg 5 5 9 9 re f EMC\n"
    after = b"20 20 60 30 re f\nBT /F1 14 Tf 20 150 Td (Clause 7 stays.) Tj ET\n"
    paper(pdf, TEXT_BEFORE + tag + after)


def state_expected(pdf: Pdf) -> None:
    after = b"0.2 0.4 0.8 rg 20 20 60 30 re f\nBT /F1 14 Tf 20 150 Td (Clause 7 stays.) Tj ET\n"
    paper(pdf, TEXT_BEFORE + after)


def compound_form(pdf: Pdf) -> None:
    piece = Dictionary(ADBE_CompoundType=Dictionary(Private=Name.Watermark))
    paper(pdf, TEXT_BEFORE + b"q /Fm0 Do Q\n" + CLAUSE, {"/Fm0": form(pdf, PieceInfo=piece)})


def layer_of_content(pdf: Pdf) -> None:
    page = paper(pdf, TEXT_BEFORE + b"/OC /MC0 BDC\n" + TURNED + b"EMC\n" + CLAUSE)
    page.Resources.Properties.MC0 = layer(pdf, "Watermark 2")


def layer_of_form(pdf: Pdf) -> None:
    membership = Dictionary(Type=Name.OCMD, OCGs=Array([layer(pdf, "Wasserzeichen")]))
    paper(pdf, TEXT_BEFORE + b"q /Fm0 Do Q\n" + CLAUSE, {"/Fm0": form(pdf, OC=membership)})


def annotation(pdf: Pdf) -> None:
    page = paper(pdf, TEXT_BEFORE + CLAUSE)
    kept = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([0, 0, 9, 9]))
    mark = Dictionary(
        Type=Name.Annot,
        Subtype=Name.Watermark,
        Rect=Array([0, 0, 200, 200]),
        F=4,
        AP=Dictionary(N=form(pdf)),
    )
    page.Annots = Array([pdf.make_indirect(kept), pdf.make_indirect(mark)])


def in_a_form(pdf: Pdf) -> None:
    """The page draws one form, which holds everything, the mark as well."""
    tag = b"/Artifact <</Subtype /Watermark>> BDC\n"
    whole = form(pdf, TEXT_BEFORE + tag + TURNED + b"EMC\n" + CLAUSE)
    paper(pdf, b"/Fm0 Do\n", {"/Fm0": whole})


def clean(pdf: Pdf) -> None:
    paper(pdf, TEXT_BEFORE + CLAUSE)


def made(*pages: Callable[[Pdf], None]) -> bytes:
    with Pdf.new() as pdf:
        for page in pages:
            page(pdf)
        return saved(pdf)


def without_marks(content: bytes, **options: object) -> tuple[bytes, list[CleanedPage]]:
    return cleaned(content, Blot(), **{"marks": True, **options})


def drawn(content: bytes, page: int = 1) -> np.ndarray:
    with Document(content) as document:
        return document.page(page, dpi=144).pixels.astype(int)


def text(content: bytes, page: int = 1) -> str:
    with pypdfium2.PdfDocument(content) as document:
        return document[page - 1].get_textpage().get_text_bounded()


TAGGED = {
    "artifact": (artifact, clean, "artifact"),
    "artifact by name": (named_artifact, clean, "artifact"),
    "state": (state_that_stays, state_expected, "artifact"),
    "form": (compound_form, clean, "form"),
    "layer": (layer_of_content, clean, "layer 'Watermark 2'"),
    "layer of a form": (layer_of_form, clean, "layer 'Wasserzeichen'"),
    "annotation": (annotation, clean, "annotation"),
    "in a form": (in_a_form, clean, "artifact"),
}


@pytest.mark.parametrize("case", TAGGED)
def test_tagged_marks_go_and_nothing_else_does(case: str) -> None:
    marked, expected, name = TAGGED[case]
    before, truth = made(marked), made(expected)
    assert np.abs(drawn(before) - drawn(truth)).max() > 9  # the mark can be seen
    result, (page,) = without_marks(before)
    assert np.abs(drawn(result) - drawn(truth)).max() <= 1
    assert text(result) == text(truth)
    assert b"DRAFT" not in b"".join(streams(result))
    assert str(page.report["removed"]).startswith(name)
    assert not page.unchanged
    assert problems(result) == []
    again, _ = without_marks(result)
    assert again is result


def streams(content: bytes) -> list[bytes]:
    import io

    with pikepdf.open(io.BytesIO(content)) as pdf:
        return [one.read_bytes() for one in pdf.objects if isinstance(one, Stream)]


def header(pdf: Pdf) -> None:
    paper(pdf, b"/Artifact <</Subtype /Header>> BDC\n" + TURNED + b"EMC\n" + CLAUSE)


def background(pdf: Pdf) -> None:
    page = paper(pdf, b"/OC /MC0 BDC\n" + TURNED + b"EMC\n" + CLAUSE)
    page.Resources.Properties.MC0 = layer(pdf, "Background")


def interwoven(pdf: Pdf) -> None:
    """The tag ends before what it saves is restored: it cannot be cut out."""
    tag = b"/Artifact <</Subtype /Watermark>> BDC q 1 0 0 1 5 5 cm EMC\n"
    paper(pdf, tag + CLAUSE + b"Q\n")


@pytest.mark.parametrize("page", [clean, header, background, interwoven])
def test_what_is_no_tagged_mark_stays(page: Callable[[Pdf], None]) -> None:
    content = made(page)
    result, (told,) = without_marks(content)
    assert result is content
    assert "removed" not in told.report


def test_marks_stay_on_pages_that_were_not_asked_for() -> None:
    content = made(artifact, artifact, in_a_form)
    result, pages = without_marks(content, pages="2")
    assert [page.number for page in pages] == [2]
    for number in (1, 3):
        np.testing.assert_array_equal(drawn(result, number), drawn(content, number))
    assert "DRAFT" not in text(result, 2)


def test_a_form_that_pages_share_is_told_of_on_each() -> None:
    with Pdf.new() as pdf:
        tag = b"/Artifact <</Subtype /Watermark>> BDC\n"
        shared = form(pdf, tag + TURNED + b"EMC\n" + CLAUSE)
        for _ in range(3):
            paper(pdf, b"/Fm0 Do\n", {"/Fm0": shared})
        content = saved(pdf)
    result, pages = without_marks(content)
    assert [page.report["removed"] for page in pages] == ["artifact"] * 3
    assert all("DRAFT" not in text(result, number) for number in (1, 2, 3))


def test_other_tasks_leave_marks() -> None:
    content = made(artifact)
    assert cleaned(content, Blot())[0] is content


def many(pages: int, mark: bytes = TURNED) -> bytes:
    """Pages of their own print, which all bear a mark that nothing tells from print."""
    with Pdf.new() as pdf:
        for number in range(pages):
            own = f"BT /F1 9 Tf 20 {180 - number} Td (Page {number}) Tj ET\n".encode()
            paper(pdf, own + mark + CLAUSE)
        return saved(pdf)


LOGO = b"q 1 0 0 1 150 150 cm 0.9 0.1 0.1 rg 0 0 20 20 re f Q\n"


def test_what_repeats_is_listed_and_goes_when_asked() -> None:
    content, truth = many(4, LOGO + TURNED), many(4, LOGO)
    with Document(content) as document:
        [(mark, pages)] = marks_of(document).items()
    assert (mark.kind, pages) == ("repeated", [1, 2, 3, 4])
    assert "translucent and turned" in mark.name
    assert without_marks(content)[0] is content
    result, told = without_marks(content, repeated=True)
    for number in range(1, 5):
        assert np.abs(drawn(result, number) - drawn(truth, number)).max() <= 1
        assert text(result, number) == text(truth, number)
        assert str(told[number - 1].report["removed"]).startswith("repeated ")


def test_forms_that_repeat_under_any_name() -> None:
    with Pdf.new() as pdf:
        for number in range(4):
            own = f"BT /F1 9 Tf 20 {180 - number} Td (Page {number}) Tj ET\n".encode()
            draw = f"q /Fm{number} Do Q\n".encode()
            paper(pdf, own + draw + CLAUSE, {f"/Fm{number}": form(pdf)})
        content = saved(pdf)
    result, _ = without_marks(content, repeated=True)
    assert b"DRAFT" not in b"".join(streams(result))
    assert "Page 2" in text(result, 3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (many(4, LOGO), "logos are opaque and upright"),
        (many(2), "two pages are too few"),
        (made(*[lambda pdf: paper(pdf, b"q " + TURNED + b" Q")] * 4), "it is all there is"),
        (made(artifact, *[clean] * 6), "it is on one page"),
    ],
)
def test_what_is_no_repeated_mark_stays(content: bytes, why: str) -> None:
    result, _ = cleaned(content, Blot(), repeated=True)
    assert result is content, why


ODD = rb"""% a comment with (a bracket
/Span <</ActualText (a \) b (c) \\) /N [1 2 <</X /Y>>] >> BDC
<48656c6c6f> Tj [(a) -120.5 (b)] TJ .5 -.5 +3 --4 rg/F1 12 Tf(x)' 1 2(y)" EMC
q BI /W 2 /H 2 /BPC 8 /CS /G ID a EI)( EI Q
/A#20B gs true false null d0
"""


def test_content_is_cut_at_its_operations() -> None:
    every = operations(ODD)
    names = [one.name for one in every]
    assert names == ["BDC", "Tj", "TJ", "rg", "Tf", "'", '"', "EMC", "q", "BI", "Q", "gs", "d0"]
    assert without(ODD, []) == ODD
    assert without(ODD, [one for one in every if one.name == "BI"]) == ODD.replace(
        b"BI /W 2 /H 2 /BPC 8 /CS /G ID a EI)( EI", b""
    )
    for one in every:
        assert ODD[one.start : one.end].endswith(b"EI" if one.name == "BI" else one.name.encode())


@pytest.mark.parametrize("content", [b"(never ends", b"BI /W 1 ID abc", b"1 2 3"])
def test_content_that_does_not_end(content: bytes) -> None:
    with pytest.raises(ValueError, match="end"):
        operations(content)


@pytest.mark.usefixtures("blot")
def test_the_command_line_lists_and_removes(tmp_path: Path) -> None:
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        result = CliRunner().invoke(make_app(), [str(one) for one in arguments])
        return result.exit_code, result.stdout, result.stderr

    source = tmp_path / "a.pdf"
    source.write_bytes(
        many(3, TURNED + b"/Artifact <</Subtype /Watermark>> BDC\n" + LOGO + b"EMC\n")
    )
    status, said, _ = run("watermark", source, "--list-marks")
    first, second = said.splitlines()
    assert (status, first) == (0, f"{source}: artifact: pages 1-3")
    assert second.startswith(f"{source}: repeated ")
    out = tmp_path / "out"
    status, said, _ = run("watermark", source, "-o", out)
    assert (status, said.count("removed: artifact, ")) == (0, 3)
    assert "DRAFT" in text((out / "a.pdf").read_bytes())
    assert run("watermark", source, "-o", out, "--resume", "--remove-repeated")[0] == 0
    assert "DRAFT" not in text((out / "a.pdf").read_bytes())
    picture = tmp_path / "b.png"
    picture.write_bytes(b"")
    assert run("watermark", picture, "--list-marks")[0] == 2
    assert "--list-marks" not in run("occlusion", "--help")[1]
