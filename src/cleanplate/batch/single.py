"""One picture that comes without a name, as from standard input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanplate.batch.documents import DocumentOptions, clean_document
from cleanplate.batch.making import Maker
from cleanplate.batch.sources import (
    check_kind,
    check_suffix,
    format_by,
    format_of,
    same_suffix,
)
from cleanplate.document import kind_of
from cleanplate.errors import CleanplateError, UsageError
from cleanplate.picture import Picture, encode_mask
from cleanplate.tasks.limits import limits_of
from cleanplate.tasks.masks import Masks
from cleanplate.writing import write_all

if TYPE_CHECKING:
    from cleanplate.tasks.base import Remark, Task


def clean_one(
    source: bytes,
    create: Callable[[int], Task],
    *,
    out: Path | None,
    mask_out: Path | None,
    overwrite: bool,
    strip_metadata: bool,
    strict: bool = False,
    mask: Path | None = None,
    region: Sequence[int] | None = None,
    protect: Path | None = None,
    output: Callable[[str], str] = same_suffix,
    read: Callable[..., Any] = Picture.read,
    documents: DocumentOptions | None = None,
) -> tuple[bytes, list[Remark]]:
    """Clean the picture or document in `source`, which came without a name; give it back encoded,
    with what there is to say.

    `out` and `mask_out` are the files for it and its mask, if any; `output` as in `plan`, all else
    as in `Run`.

    Raises:
        CleanplateError: it cannot be cleaned.
    """
    if mask_out is not None and mask_out.suffix.lower() != ".png":
        raise UsageError(f"{mask_out}: the mask of a picture without a name goes to a .png file.")
    kind = None if documents is None else kind_of(source)
    if kind is not None and mask_out is not None:
        raise UsageError("A document on standard input goes without --mask-out: give its name.")
    form = None
    if out is not None:
        check_kind(out, kind)
        form = None if kind is not None else format_of(out)
        check_suffix(out, output)
    for path in (out, mask_out):
        if path is not None and path.exists() and not overwrite:
            raise CleanplateError(f"{path} exists; --overwrite replaces it.")
    masks = None if mask is None else Masks(mask)
    limits = limits_of(region, protect)
    maker = Maker(create(0), masks, limits, strip_metadata, strict)
    if documents is not None and kind is not None:
        done = clean_document(source, "standard input", maker, documents)
        remarks = done.all_remarks()
        maker.check(remarks, "standard input")
        if out is not None:
            write_all({out: done.content})
        return done.content, remarks
    picture = read(source, name="standard input")
    made = maker.make(picture, form or format_by(output, picture.format))
    files = {mask_out: encode_mask(made.cleaned.mask), out: made.content}
    write_all({path: file for path, file in files.items() if path is not None})
    return made.content, made.cleaned.remarks
