"""The fuzzer's own files are sound, and a few mutants of each end well."""

from __future__ import annotations

from random import Random

import pytest
from fuzz.mutations import BY_FORMAT, mutated
from fuzz.seeds import seeds
from fuzz.worker import fault

FILES = dict(seeds())


def test_every_format_has_files() -> None:
    assert {kind.split()[0] for kind in FILES} >= BY_FORMAT.keys() - {"heic"}


@pytest.mark.parametrize("kind", FILES)
def test_a_sound_file_is_cleaned_and_mutants_end_well(kind: str) -> None:
    assert fault(FILES[kind], Random(0)) == (None, True)
    for number in range(3):
        random = Random(number)
        odd = mutated(kind, FILES[kind], random)
        assert odd != FILES[kind]
        found, _ = fault(odd, random)
        assert found is None
    assert mutated(kind, FILES[kind], Random(9)) == mutated(kind, FILES[kind], Random(9))
