"""Many files: which ones, where their results go, what became of each, going on after a stop."""

from __future__ import annotations

from cleanplate.batch.documents import (
    CleanedDocument,
    DocumentOptions,
    clean_document,
    list_marks,
    without_metadata,
)
from cleanplate.batch.making import Maker
from cleanplate.batch.manifest import Manifest
from cleanplate.batch.outcome import Outcome
from cleanplate.batch.run import Run
from cleanplate.batch.settings import settings_of
from cleanplate.batch.single import clean_one
from cleanplate.batch.sources import (
    Job,
    Plan,
    check_kind,
    documents_in,
    format_by,
    format_of,
    pictures_in,
    plan,
)

__all__ = [
    "CleanedDocument",
    "DocumentOptions",
    "Job",
    "Maker",
    "Manifest",
    "Outcome",
    "Plan",
    "Run",
    "check_kind",
    "clean_document",
    "clean_one",
    "documents_in",
    "format_by",
    "format_of",
    "list_marks",
    "pictures_in",
    "plan",
    "settings_of",
    "without_metadata",
]
