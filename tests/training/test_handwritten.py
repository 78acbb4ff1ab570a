"""Pages of PDF, ink of notes, and the crops that the handwriting model learns from."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFont

torch = pytest.importorskip("torch")

import cleanplate  # noqa: E402
from cleanplate.errors import UsageError  # noqa: E402
from cleanplate.training.cli.prepare import run as prepare  # noqa: E402
from cleanplate.training.data import handwritten  # noqa: E402
from cleanplate.training.data.files import read_rgb  # noqa: E402
from cleanplate.training.data.handwritten import Handwritten, WrittenCrops, print_on  # noqa: E402
from cleanplate.training.data.packed import Packed, pack  # noqa: E402
from cleanplate.training.data.unmixing import scraps  # noqa: E402
from cleanplate.training.export import export_checkpoint  # noqa: E402
from cleanplate.training.modules.handwriting_erasing import NEAR, WEIGHT, ink_l1  # noqa: E402
from cleanplate.training.train import train  # noqa: E402

TEXT = " ".join(
    f"BT /F 14 Tf 40 {y} Td (Printed line of an exam paper, number {y}) Tj ET"
    for y in range(60, 780, 24)
)
PDF = """%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R 5 0 R] /Count 2>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R
/Resources <</Font <</F <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>>>>>>> endobj
4 0 obj <</Length LENGTH>> stream
TEXT
endstream endobj
5 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]>> endobj
trailer <</Root 1 0 R>>
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of pages, fonts and ink."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "fonts").mkdir()
    (folder / "fonts" / "own.ttf").write_bytes(ImageFont.load_default(10).font_bytes)
    (folder / "pages").mkdir()
    cv2.imwrite(str(folder / "pages" / "grey.png"), page())
    coloured = page()
    coloured[:40] = (0, 0, 200)
    cv2.imwrite(str(folder / "pages" / "red.png"), coloured)
    (folder / "ink").mkdir()
    for number, scrap in enumerate(scraps(note())):
        cv2.imwrite(str(folder / "ink" / f"{number}.png"), scrap[..., ::-1])
    return folder


def page(height: int = 500, width: int = 360) -> np.ndarray:
    """White paper with lines of words."""
    sheet = np.full((height, width, 3), 255, np.uint8)
    for y in range(30, height - 30, 22):
        for x in range(20, width - 50, 40):
            cv2.rectangle(sheet, (x, y), (x + 28, y + 7), (30, 30, 30), -1)
    return sheet


def note() -> np.ndarray:
    """A blue wave, written on yellowish paper in uneven light."""
    sheet = np.full((300, 600, 3), (235, 228, 200), np.float32)
    sheet *= np.linspace(0.7, 1, 600)[None, :, None]
    x = np.arange(100, 400)
    y = 150 + 25 * np.sin(x / 9)
    ink = np.zeros((300, 600), np.uint8)
    cv2.polylines(ink, [np.stack([x, y], 1).astype(np.int32)], False, 255, 4, cv2.LINE_AA)
    light = 1 - ink[..., None] / 255 * (1 - np.array([0.2, 0.3, 0.7]))
    return np.rint(sheet * light).astype(np.uint8)


def test_pages_of_pdf_are_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    pdf = PDF.replace("LENGTH", str(len(TEXT) + 1)).replace("TEXT", TEXT)
    (tmp_path / "in" / "exam.pdf").write_bytes(pdf.encode())
    Image.fromarray(page()).save(tmp_path / "in" / "scan.pdf")
    (tmp_path / "in" / "broken.pdf").write_bytes(b"no PDF at all")
    given = ["pages", str(tmp_path / "in"), str(tmp_path / "out"), "--dpi", "100", "100"]
    assert prepare(given) == 1
    said = capsys.readouterr().out
    assert "broken.pdf cannot be read as PDF" in said
    assert "1 pages made" in said and "2 blank" in said and "1 faults" in said
    [made] = (tmp_path / "out").glob("*.png")
    picture = read_rgb(made)
    assert made.name == "exam-1.png" and picture.shape[:2] == pytest.approx((1170, 827), abs=2)
    assert 0.01 < (picture < 128).mean() < 0.2
    assert prepare(given) == 1
    assert "0 pages made, 1 were there" in capsys.readouterr().out
    with pytest.raises(UsageError, match="holds no PDF"):
        prepare(["pages", str(tmp_path / "out"), str(tmp_path / "other")])


def test_ink_is_unmixed() -> None:
    [scrap] = scraps(note())
    assert 45 < scrap.shape[0] < 70 and 290 < scrap.shape[1] < 320
    assert np.median(scrap) == 255  # white where there is no ink
    darkest = np.quantile(scrap, 0.03, axis=(0, 1)) / 255
    assert darkest == pytest.approx((0.2, 0.3, 0.7), abs=0.06)


def test_ink_is_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    cv2.imwrite(str(tmp_path / "notes" / "a.png"), note()[..., ::-1])
    cv2.imwrite(str(tmp_path / "notes" / "empty.png"), np.full((99, 99, 3), 230, np.uint8))
    assert prepare(["ink", str(tmp_path / "notes"), str(tmp_path / "ink")]) == 0
    assert [path.name for path in (tmp_path / "ink").iterdir()] == ["a-0.png"]


def test_pages_are_packed(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "store" / "pages"
    pack(data / "pages", store)
    grey, red = Packed(store)
    assert np.array_equal(np.repeat(grey, 3, -1), page())
    assert np.array_equal(red, read_rgb(data / "pages" / "red.png"))
    before = store.with_name("pages.pixels").stat().st_mtime_ns
    pack(data / "pages", store)
    assert store.with_name("pages.pixels").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="no pictures"):
        pack(data / "fonts", store)


def crops_of(data: Path, store: Path, **options: object) -> WrittenCrops:
    module = Handwritten(
        {"pages": 1.0},
        fonts=("fonts",),
        pens=("fonts",),
        scraps=("ink",),
        folder=str(data),
        store=str(store),
        crop=128,
        steps=20,
        batch_size=2,
        **options,  # type: ignore[arg-type]
    )
    module.prepare_data()
    module.setup("fit")
    return module.training


def test_crops_differ_where_ink_is(data: Path, tmp_path: Path) -> None:
    crops = crops_of(data, tmp_path, blank_share=0.0)
    inked = 0
    for number in range(30):
        item = crops[(0, number)]
        assert [*item] == ["input", "target", "mask", "print"]
        assert all(plane.dtype == torch.uint8 for plane in item.values())
        assert item["input"].shape == (3, 128, 128) and item["mask"].shape == (1, 128, 128)
        assert set(item["mask"].unique().tolist()) <= {0, 255}
        ink = item["mask"][0].numpy()
        far = cv2.dilate(ink, np.ones((61, 61), np.uint8)) == 0  # past blocks of JPEG and blurs
        far = far[24:-24, 24:-24]  # ink beyond the edges reaches in
        apart = (item["input"].int() - item["target"].int()).abs().amax(0).numpy()[24:-24, 24:-24]
        assert apart[far].max(initial=0) <= 24
        inked += bool(ink.any())
    assert inked > 15


def test_crops_without_ink_are_their_own_truth(data: Path, tmp_path: Path) -> None:
    crops = crops_of(data, tmp_path, blank_share=1.0)
    for number in range(12):
        item = crops[(0, number)]
        assert torch.equal(item["input"], item["target"]) and not item["mask"].any()


def test_what_lies_on_its_side_is_turned_as_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handwritten, "SIDEWAYS", 1.0)
    crops = crops_of(data, tmp_path, blank_share=1.0)
    items = [crops[(0, number)] for number in range(8)]
    assert all(torch.equal(item["input"], item["target"]) for item in items)
    for item in items:
        printed = item["print"][0].numpy() > 0
        if 0.02 < printed.mean() < 0.5:
            dark = item["input"].numpy().min(0)
            assert dark[printed].mean() < dark[~printed].mean() - 20


def test_an_item_is_always_the_same(data: Path, tmp_path: Path) -> None:
    crops = crops_of(data, tmp_path)
    one, two = crops[(1, 3)], crops_of(data, tmp_path)[(1, 3)]
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["input"], crops[(2, 3)]["input"])


def test_print_is_what_is_darker_than_its_paper() -> None:
    sheet = page(128, 128)
    found = print_on((sheet * np.linspace(0.5, 1, 128)[:, None, None]).astype(np.uint8))
    assert np.array_equal(found, sheet[..., 0] < 128)


@pytest.mark.parametrize(
    ("recipe", "role", "options", "outputs", "figures"),
    [
        (
            "handwriting",
            "eraser",
            "{widths: [8, 8, 8, 8, 8]}",
            ["fill", "mask", "print"],
            {"val/psnr_mask", "val/mask_iou", "val/harmed"},
        ),
        (
            "handwriting-locator",
            "locator",
            "{width: 0.2, pretrained: null}",
            ["mask", "print"],
            {"val/mask_iou", "val/harmed", "val/threshold"},
        ),
    ],
)
def test_the_recipe_trains_and_its_export_cleans(
    recipe: str,
    role: str,
    options: str,
    outputs: list[str],
    figures: set[str],
    data: Path,
    tmp_path: Path,
) -> None:
    run = train(
        recipe,
        [
            f"--model.init_args.network_options={options}",
            "--data.init_args.backgrounds={pages: 1.0}",
            *(f"--data.init_args.{name}=[fonts]" for name in ("fonts", "pens")),
            *(f"--data.init_args.{name}=[]" for name in ("strokes", "logos")),
            "--data.init_args.crop=64",
            "--data.init_args.steps=2",
            "--data.init_args.batch_size=2",
            "--data.init_args.validation_pictures=4",
            "--data.init_args.workers=0",
            f"--data.init_args.store={tmp_path / 'store'}",
            "--trainer.max_steps=2",
            "--trainer.accelerator=cpu",
        ],
        data=str(data),
        run=str(tmp_path / "run"),
    )
    assert run is not None
    export_checkpoint(run / "checkpoints" / "last.ckpt", tmp_path / "mine.onnx")
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["task"] == "handwriting" and card["role"] == role
    assert card["outputs"] == outputs
    assert figures <= {*card["figures"]}
    result = cleanplate.clean(page(), "handwriting", eraser=tmp_path / "mine.onnx")
    assert result.picture.shape == page().shape


def test_print_beside_ink_is_heeded() -> None:
    ink, there = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    ink[..., 30:34] = 1
    there[..., 20:44] = 1
    truth = {"picture": torch.zeros(1, 3, 64, 64), "mask": ink, "print": there}

    def loss(column: int) -> float:
        picture = torch.zeros(1, 3, 64, 64)
        picture[..., column] = 1
        return float(ink_l1({"picture": picture}, truth))

    paper = loss(60)
    assert loss(31) == pytest.approx(WEIGHT * paper)  # ink
    assert loss(30 - NEAR) == loss(33 + NEAR) == pytest.approx(WEIGHT * paper)  # print beside it
    assert loss(30 - NEAR - 1) == pytest.approx(paper)  # print farther from it
