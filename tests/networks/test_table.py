from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from cleanplate.training.networks.table import count_macs, rows  # noqa: E402


def test_macs_of_one_convolution_by_hand() -> None:
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, device="meta")
    with torch.device("meta"):
        assert count_macs(conv, 3, 16) == 16 * 16 * 3 * 8 * 9


@pytest.mark.parametrize(
    ("name", "side", "giga"),
    [("nafnet-slim-16", 256, 2.2), ("nafnet-slim-32", 256, 8.6), ("nafnet-sidd-32", 256, 16.0)],
)
def test_published_costs(name: str, side: int, giga: float) -> None:
    (row,) = rows([name], side)
    assert row.macs_per_pixel * side**2 / 1e9 == pytest.approx(giga, rel=0.02)
    assert row.outputs == ("picture",)
    assert row.seconds_per_megapixel is None


def test_erasenet_costs_what_was_counted_on_the_reference() -> None:
    (row,) = rows(["erasenet"], 256)
    assert row.macs_per_pixel * 512**2 / 1e9 == pytest.approx(72.7, rel=0.005)


def test_time_is_measured_when_asked() -> None:
    (row,) = rows(["sn-patchgan"], 64, measure=True)
    assert row.seconds_per_megapixel is not None
    assert row.seconds_per_megapixel > 0
