"""Compares the files that came out of a training with those of the release that it repeats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edustream_contracts.errors import Rejected
from edustream_ml.rebuild.recipe import Recipe
from edustream_registry.inference.loading import MODEL_FILE
from edustream_registry.manifest import ReleaseFile

SHOWN_CHARACTERS: Final = 12


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One file of the release, and the SHA-256 that it has now; None where none was made."""

    released: ReleaseFile
    sha256: str | None

    @property
    def same(self) -> bool:
        """Whether it is the same, byte for byte."""
        return self.sha256 == self.released.sha256

    @property
    def line(self) -> str:
        """The comparison as one line of text."""
        if self.same:
            return f"same    {self.released.name}  {self.released.sha256}"
        now = f"{self.sha256[:SHOWN_CHARACTERS]}..." if self.sha256 else "not made"
        return f"DIFFERS {self.released.name}  released {self.released.sha256[:SHOWN_CHARACTERS]}..., now {now}"


def compare(recipe: Recipe, made: Path) -> list[Rebuilt]:
    """Every file of the release with what is in the folder `made`, the model first."""
    files = sorted(recipe.files, key=lambda file: (file.name != MODEL_FILE, file.name))
    return [Rebuilt(file, _digest(made / file.name)) for file in files]


def require_same_model(recipe: Recipe, rebuilt: Iterable[Rebuilt]) -> None:
    """Raise `Rejected` (kind `digest`) unless the model is the same, byte for byte."""
    (model,) = (one for one in rebuilt if one.released.name == MODEL_FILE)
    if not model.same:
        raise Rejected(
            "digest",
            f"{MODEL_FILE} of {recipe.release} has the SHA-256 {model.released.sha256}; the rebuilt one has "
            f"{model.sha256}.",
            remedy="compare processors, Python and libraries first, then metrics.json of both: what nobody can make "
            "again was not made as its manifest says.",
        )


def _digest(path: Path) -> str | None:
    return ReleaseFile.of(path).sha256 if path.is_file() else None
