"""What speaks for a find being a mark."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from cleanplate import models
from cleanplate.errors import ModelError
from cleanplate.models.catalogue import Card
from cleanplate.tasks.watermark.verification import FEATURES, confidence, features


def texture(seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.1, 0.9, (16, 16, 3)).astype(np.float32)
    return cv2.resize(coarse, (160, 160), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def bars() -> np.ndarray:
    cover = np.zeros((160, 160), np.float32)
    cover[:, 20:140:24] = cover[:, 26:140:24] = 1
    return cv2.dilate(cover, np.ones((1, 9)))


def card(**parameters: float) -> Card:
    """The card of the locator that ships, with other parameters."""
    return dataclasses.replace(models.card("watermark-locator"), parameters=parameters)


def test_an_overlay_lets_the_picture_through_and_an_object_does_not() -> None:
    clean, cover = texture(), bars()
    overlay = clean + 0.4 * cover[..., None] * (1 - clean)
    painted = np.where(cover[..., None] > 0, np.float32([0.9, 0.2, 0.1]), clean)
    marked = cover > 0.5
    mark, thing = (features(p, cover, marked, cover) for p in (overlay, painted))
    assert mark["alike"] > 0.5 > thing["alike"] + 0.3
    assert mark["ratio"] < 0.2 < thing["ratio"]
    assert mark["jump"] < thing["jump"]


def test_a_find_with_a_wide_rim_is_seen_as_such() -> None:
    cover = bars()
    sharp = features(texture(), 0.9 * cover, cover > 0.5, cover)
    vague = features(texture(), np.maximum(0.9 * cover, 0.3), cover > 0.5, cover)
    assert sharp["mean"] == pytest.approx(0.9)
    assert vague["rim"] > sharp["rim"] + 1


def test_confidence_is_the_logistic_of_the_weighted_features() -> None:
    measured = dict.fromkeys(FEATURES, 0.0) | {"mean": 0.9, "alike": 0.5}
    weights = {f"evidence_{name}": 0.0 for name in FEATURES}
    weights |= {"evidence_bias": -2.0, "evidence_mean": 2.0, "evidence_alike": 1.0}
    assert confidence(card(**weights), measured) == pytest.approx(1 / (1 + np.exp(-0.3)))
    with pytest.raises(ModelError, match="evidence_bias"):
        confidence(card(), measured)
