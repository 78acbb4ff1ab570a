"""Recipes on disk that say things by their former names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Settings = dict[str, Any]

ROOM = "cleanplate.training."
MODELS = {  # a former class: today's, and the recipe that says what it took for granted
    "modules.marks.LocatorModule": ("modules.locating.Locating", "watermark-locator"),
    "modules.marks.FillerModule": (
        "modules.watermark_filling.WatermarkFilling",
        "watermark-filler",
    ),
    "modules.holes.HoleModule": ("modules.occlusion_filling.OcclusionFilling", "occlusion-filler"),
}
DATA = {
    "data.marked.MarkedData": "data.watermarked.Watermarked",
    "data.occluded.OccludedData": "data.occluded.Occluded",
}
OPTIMISED = {
    "options": "network_options",
    "rate": "optimizer.init_args.lr",
    "warm_up": "schedule.init_args.warm_up",
}
FLIPS = {"flip": "hflip", "flop": "vflip", "turn": "rot90"}
DRAWN = {
    "batch": "batch_size",
    "pictures": "backgrounds",
    "pages": "backgrounds",
    "validation_pages": "validation",
    "validation_items": "validation_pictures",
    "occluders": "cutouts",
    "validation_occluders": "validation_cutouts",
}
ARGUMENTS = {  # of a class of today: its arguments' former names, and where they are now
    "modules.locating.Locating": {**OPTIMISED, "mark_weight": "loss.bce_inside"},
    "modules.watermark_filling.WatermarkFilling": OPTIMISED,
    "modules.occlusion_filling.OcclusionFilling": {
        **OPTIMISED,
        "square": "loss.l2_hole",
        "absolute": "loss.l1_hole",
    },
    "modules.inpainting.Inpainting": {"l1": "loss.both_l1", "adversarial": "loss.hinge"},
    "data.watermarked.Watermarked": {**DRAWN, "critic": "miner"},
    "data.occluded.Occluded": DRAWN,
    "data.pairs.Pairs": FLIPS,
    "data.synthetic.Synthetic": FLIPS,
    "data.cutouts.Cutouts": FLIPS,
    "data.holes.Holes": FLIPS,
    "data.noisy.NoisyData": {"pictures": "backgrounds"},
    "data.raw_noise.RawNoiseData": {"pictures": "backgrounds"},
}
TERMS = {"heeded_l1": "ink_l1"}  # of a loss


def with_classes(own: Settings, model_of: Callable[[str], Settings]) -> tuple[Settings, Settings]:
    """Return the settings of one file with today's classes, and what a former class took for
    granted.

    Args:
        own: as the file says them.
        model_of: the model's settings in a recipe that ships.
    """
    below: Settings = {}
    renewed = dict(own)
    for part in ("model", "data"):
        named = str((own.get(part) or {}).get("class_path", "")).removeprefix(ROOM)
        if named in MODELS:
            today, recipe = MODELS[named]
            below[part] = model_of(recipe)
        elif named in DATA:
            today = DATA[named]
        else:
            continue
        renewed[part] = {**own[part], "class_path": ROOM + today}
    return renewed, below


def with_arguments(settings: Settings) -> Settings:
    """Return settings whose classes are known with today's arguments for former ones."""
    renewed = dict(settings)
    for part in ("model", "data"):
        held = settings.get(part) or {}
        known = ARGUMENTS.get(str(held.get("class_path", "")).removeprefix(ROOM), {})
        own = held.get("init_args") or {}
        given = _with_terms(own)
        moved = {name: given[name] for name in known if name in given}
        if not moved and given == own:
            continue
        kept = {name: value for name, value in given.items() if name not in moved}
        for name, value in moved.items():
            added = value - 1 if name == "mark_weight" else value  # beside the 1 of `bce`
            kept = _placed(kept, known[name].split("."), added)
        renewed[part] = {**held, "init_args": kept}
    return renewed


def _with_terms(arguments: Settings) -> Settings:
    """Return arguments with today's names of the terms of their loss."""
    loss = arguments.get("loss")
    if not isinstance(loss, dict):
        return arguments
    return {**arguments, "loss": {TERMS.get(name, name): weight for name, weight in loss.items()}}


def _placed(settings: Settings, path: list[str], value: Any) -> Settings:
    """Return a copy of the settings with a value at a path."""
    name, *further = path
    below = settings.get(name)
    if further:
        value = _placed(below if isinstance(below, dict) else {}, further, value)
    elif isinstance(below, dict) and isinstance(value, dict):
        value = {**below, **value}
    return {**settings, name: value}
