"""Claims as experiments: what they are made of, and the table of what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from cleanplate.errors import UsageError
from cleanplate.training import experiments, networks
from cleanplate.training.cli import main
from cleanplate.training.experiments import Claim, Form, Outcome, claims, read_claim
from cleanplate.training.settings import resolved
from cleanplate.training.train import find_recipe

if TYPE_CHECKING:
    from conftest import Run


def test_the_forms_that_claims_compare_with() -> None:
    picture = torch.rand(1, 3, 40, 40)
    unmasked = networks.create("erasenet", width=0.1, masked=False).eval()
    assert set(unmasked(picture)) == {"picture"}
    for residual in (True, False):
        unet = networks.create("residual-unet-rgb", width=0.1, residual=residual).eval()
        torch.nn.init.zeros_(unet.out.weight)
        torch.nn.init.zeros_(unet.out.bias)
        wanted = picture if residual else torch.zeros_like(picture)
        torch.testing.assert_close(unet(picture)["picture"], wanted)


@pytest.mark.parametrize("name", sorted(claims()))
def test_every_claim_names_recipes_and_options_that_there_are(
    name: str, plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = read_claim(name)
    for form in claim.forms:
        assert resolved(find_recipe(form.recipe), find_recipe)["model"]
        given = [form.recipe, "--data", str(plain), *form.overrides, "--print_config"]
        assert main("train", given) == 0
    capsys.readouterr()


def test_a_claim_is_trained_form_by_form_and_not_again(
    whole: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        f"claim: More rate is better.\nfigure: val/psnr\nneeds: pairs\nlimits: much.\n"
        f"recipe: {whole.recipe}\nforms:\n  high: {{}}\n  low:\n"
        "    overrides: ['--model.init_args.optimizer.init_args.lr=1.0e-6']\n"
    )
    out = tmp_path / "out"
    given = [str(mine), "--data", str(whole.data), "--minutes", "1", "--seeds", "2"]
    given += ["--out", str(out), "--trainer.max_epochs=1"]
    assert main("experiments", given) == 0
    said = capsys.readouterr().out
    assert "2 forms, 2 seeds: 4 minutes of training" in said
    assert "| high | " in said and "2 | 2 |" in said and "cannot tell: much." in said
    assert len(list(out.glob("form-*/checkpoints/last.ckpt"))) == 4
    assert (out / "table.md").read_text() in said
    times = {path: path.stat().st_mtime_ns for path in out.glob("form-*/metrics.csv")}
    assert main("experiments", given) == 0
    assert times == {path: path.stat().st_mtime_ns for path in out.glob("form-*/metrics.csv")}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([31.0, 31.2], [30.0, 30.1], "ahead by more than the widest spread, as claimed"),
        ([30.0, 30.1], [31.0, 31.2], "against the claim"),
        ([30.0, 31.0], [30.4, 30.5], "no order can be told"),
        ([31.0], [30.0], "With one seed there is no spread"),
    ],
)
def test_the_table_says_no_more_than_the_spreads_allow(
    first: list[float], second: list[float], said: str
) -> None:
    forms = (Form("one", "r", ()), Form("two", "r", ()))
    claim = Claim("c", "One is better.", "val/psnr", "pairs", "much.", forms)
    outcomes = [Outcome("one", n, 10, value) for n, value in enumerate(first)]
    outcomes += [Outcome("two", n, 10, value) for n, value in enumerate(second)]
    told = experiments.table(claim, outcomes, 5)
    assert said in told and "seed: 5." in told and "untouched" not in told
    low = [Outcome(one.form, one.seed, 10, one.value, 35.0) for one in outcomes]
    assert "untouched pictures (35.000 dB)" in experiments.table(claim, low, 5)
    row = next(line for line in told.splitlines() if line.startswith("| two"))
    beside = sum(second) / len(second) - sum(first) / len(first)
    assert f"{beside:+.3f}" in row


def test_wrong_usage_is_told_in_one_line(plain: Path, tmp_path: Path) -> None:
    for given, said in (
        (["pictur-weight"], "mean picture-weight"),
        ([], "--list"),
        (["swin"], "--data DIR: pairs of pictures"),
        (["swin", "--data", str(plain)], "--minutes M"),
    ):
        with pytest.raises(UsageError, match=said) as error:
            main("experiments", given)
        assert "\n" not in str(error.value)
    (tmp_path / "bad.yaml").write_text("claim: x\n")
    with pytest.raises(UsageError, match="cannot be read as a claim"):
        read_claim(str(tmp_path / "bad.yaml"))


def test_the_list_names_every_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("experiments", ["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(claims())
