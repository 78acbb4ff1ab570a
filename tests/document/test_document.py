"""The document around the images: kept as it was, or refused by name."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from fakes import Blot
from pdf_makers import add_page, blotted, cleaned, image, problems, saved, scan
from pikepdf import Array, Dictionary, Encryption, Name, Pdf, String

from cleanplate.document import Document, Finished, FinishedIn
from cleanplate.errors import PictureError


def marked() -> Pdf:
    pdf = Pdf.new()
    add_page(pdf, [image(pdf, blotted().tobytes())])
    return pdf


def test_a_page_as_a_picture(tmp_path: Path) -> None:
    with Document(scan(tmp_path / "a.pdf", pages=2)) as document:
        assert len(document) == 2
        picture = document.page(1, dpi=144)
        assert picture.pixels.shape == (96, 128, 3)
        assert np.abs(picture.pixels[48, 48].astype(int) - (255, 0, 0)).max() < 9
        with pytest.raises(PictureError, match="there is no page 3"):
            document.page(3)
        with pytest.raises(PictureError, match="larger than"):
            document.page(1, dpi=1e6)


@pytest.mark.parametrize("linearize", [True, False])
def test_a_linearised_file_stays_so(linearize: bool) -> None:
    result, _ = cleaned(saved(marked(), linearize=linearize))
    with pikepdf.open(io.BytesIO(result)) as pdf:
        assert pdf.is_linearized is linearize
    assert problems(result) == []


def test_an_encrypted_file_stays_so() -> None:
    content = saved(marked(), encryption=Encryption(owner="owner", user="user"))
    with pytest.raises(PictureError, match="encrypted; give its password"):
        Document(content)
    with pytest.raises(PictureError, match="this is not its password"):
        Document(content, password="other")
    with Document(content, password="user") as document:
        cleaning = document.cleaning(Blot())
        assert not cleaning.clean_page(1).unchanged
        out = io.BytesIO()
        assert cleaning.save(out)
    with pytest.raises(pikepdf.PasswordError):
        pikepdf.open(out)
    for password in ("user", "owner"):
        with pikepdf.open(out, password=password) as pdf:
            after = pdf.pages[0].obj.Resources.XObject.Im0.read_bytes()
            assert b"\xff\0\0" not in after


def test_all_else_of_the_document_is_the_same() -> None:
    pdf = marked()
    pdf.docinfo["/Title"] = "A title"
    with pdf.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem("Chapter", 0))
    pdf.attachments["a.txt"] = b"attached"
    with pdf.open_metadata() as metadata:
        metadata["dc:title"] = "A title"
    pdf.pages[0].obj.Thumb = image(pdf, blotted().tobytes())
    field = Dictionary(FT=Name.Tx, T=String("name"), V=String("value"))
    pdf.Root.AcroForm = Dictionary(Fields=Array([pdf.make_indirect(field)]))
    add_page(pdf, [image(pdf, blotted(blot=False).tobytes())])
    content = saved(pdf)
    result, _ = cleaned(content)
    with pikepdf.open(io.BytesIO(content)) as old, pikepdf.open(io.BytesIO(result)) as new:
        assert new.docinfo["/Title"] == "A title"
        assert new.Root.Metadata.read_bytes() == old.Root.Metadata.read_bytes()
        assert new.attachments["a.txt"].get_file().read_bytes() == b"attached"
        assert str(new.Root.AcroForm.Fields[0].V) == "value"
        with new.open_outline() as outline:
            assert [one.title for one in outline.root] == ["Chapter"]
        assert Name.Thumb not in new.pages[0].obj
        for page in (0, 1):
            before, after = (one.pages[page].obj.Contents.read_raw_bytes() for one in (old, new))
            assert before == after
        before, after = (
            one.pages[1].obj.Resources.XObject.Im0.read_raw_bytes() for one in (old, new)
        )
        assert before == after


def test_the_same_document_gives_the_same_bytes() -> None:
    content = saved(marked())
    assert cleaned(content)[0] == cleaned(content)[0]


def signature(pdf: Pdf) -> None:
    value = Dictionary(Type=Name.Sig, ByteRange=Array([0, 1, 2, 3]), Contents=String("x"))
    field = pdf.make_indirect(Dictionary(FT=Name.Sig, T=String("s"), V=pdf.make_indirect(value)))
    parent = pdf.make_indirect(Dictionary(Kids=Array([field])))
    field.Parent = parent
    pdf.Root.AcroForm = Dictionary(Fields=Array([parent]), SigFlags=3)


def test_a_signed_document_is_refused_unless_said_otherwise() -> None:
    pdf = marked()
    signature(pdf)
    content = saved(pdf)
    with pytest.raises(PictureError, match=r"signed.*--break-signature"):
        Document(content)
    with Document(content, break_signature=True) as document:
        cleaning = document.cleaning(Blot())
        cleaning.clean_page(1)
        assert [one.code for one in cleaning.remarks()] == ["signature-broken"]


def xfa(pdf: Pdf) -> None:
    pdf.Root.AcroForm = Dictionary(Fields=Array(), XFA=pdf.make_stream(b"<xdp/>"))


def portfolio(pdf: Pdf) -> None:
    pdf.Root.Collection = Dictionary(Type=Name.Collection)


@pytest.mark.parametrize(("change", "word"), [(xfa, "XFA"), (portfolio, "portfolio")])
def test_what_cannot_be_kept_is_refused_by_name(change: object, word: str) -> None:
    pdf = marked()
    change(pdf)  # type: ignore[operator]
    with pytest.raises(PictureError, match=word):
        Document(saved(pdf))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.7\n",
        b"%PDF-1.7\ntrailer <</Root 1 0 R>>",
        b"%PDF-1.4\n1 0 obj\n" + b"[" * 9999,
    ],
)
def test_broken_files_are_refused(content: bytes) -> None:
    with pytest.raises(PictureError, match=r"^a\.pdf: "):
        Document(content, name="a.pdf")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(PictureError, match=r"no\.pdf: it cannot be read \(No such file"):
        Document("no.pdf")


def test_no_pages() -> None:
    with pytest.raises(PictureError, match="no pages"):
        Document(saved(Pdf.new()))


def test_a_damaged_file_is_repaired_and_says_so() -> None:
    content = saved(marked(), object_stream_mode=pikepdf.ObjectStreamMode.disable)
    broken = content[: content.rfind(b"xref")]
    with Document(broken) as document:
        cleaning = document.cleaning(Blot())
        assert not cleaning.clean_page(1).unchanged
        out = io.BytesIO()
        assert cleaning.save(out)
        assert [one.code for one in cleaning.remarks()] == ["document-repaired"]
    assert problems(out.getvalue()) == []


def run(content: Path, finished: Finished, numbers: list[int]) -> bytes:
    with Document(content) as document:
        cleaning = document.cleaning(Blot(), finished=finished)
        for number in numbers:
            cleaning.clean_page(number)
        out = io.BytesIO()
        cleaning.save(out)
        return out.getvalue()


def test_finished_pages_are_found_again(tmp_path: Path) -> None:
    path = scan(tmp_path / "a.pdf", pages=4, blots=(1, 2, 4))
    whole = run(path, Finished(), [1, 2, 3, 4])
    folder = tmp_path / "wait"
    run(path, FinishedIn(folder, {"a": 1}, resume=False), [1, 2])
    Blot.made.clear()
    again = FinishedIn(folder, {"a": 1}, resume=True)
    assert [again.page(one) is not None for one in (1, 2, 3)] == [True, True, False]
    assert run(path, again, [1, 2, 3, 4]) == whole
    assert FinishedIn(folder, {"a": 2}, resume=True).page(1) is None
    again.remove()
    assert not folder.exists()


def test_a_page_that_was_finished_is_told_of_as_before(tmp_path: Path) -> None:
    path = scan(tmp_path / "a.pdf", pages=1)
    finished = FinishedIn(tmp_path / "wait", {}, resume=False)
    with Document(path) as document:
        first = document.cleaning(Blot(), finished=finished).clean_page(1)
    with Document(path) as document:
        finished = FinishedIn(tmp_path / "wait", {}, resume=True)
        second = document.cleaning(Blot(), finished=finished).clean_page(1)
    np.testing.assert_array_equal(first.mask, second.mask)
    assert (first.report, first.unchanged) == (second.report, second.unchanged)


def test_a_hundred_thousand_objects_and_deep_nesting(tmp_path: Path) -> None:
    head = b"%PDF-1.5\n1 0 obj << /Type /Catalog /Pages 2 0 R /Extra 4 0 R >> endobj\n"
    head += b"2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj\n"
    head += b"3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >> endobj\n"
    many = b"".join(b"%d 0 obj << /A %d 0 R >> endobj\n" % (n, n + 1) for n in range(4, 100_000))
    content = head + many + b"trailer << /Root 1 0 R /Size 100001 >>\n"
    result, (page,) = cleaned(content, Blot(), marks=True, repeated=True)
    assert (result, page.report["images"]) == (content, 0)
    deep = head.replace(b"/Extra 4 0 R", b"/Extra " + b"[" * 5000 + b"]" * 5000)
    with pytest.raises(PictureError, match="damaged"):
        Document(deep + b"trailer << /Root 1 0 R /Size 4 >>\n")


def test_forms_in_forms_without_end_and_very_many_draws() -> None:
    pdf = marked()
    page = pdf.pages[0].obj
    inner = page.Resources.XObject.Im0
    for _ in range(60):
        form = pdf.make_stream(b"/X Do " * 3)
        form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 9, 9])
        form.Resources = Dictionary(XObject=Dictionary(X=inner))
        inner = pdf.make_indirect(form)
    page.Resources.XObject.Im0 = inner
    content = saved(pdf)
    result, (told,) = cleaned(content, Blot(), marks=True, repeated=True)
    assert result is content
    assert [one.code for one in told.remarks] == ["page-left-out"]
    assert "draws more than 20000 forms" in told.remarks[0].text
