"""The release manifest: the commit point of a release, and all that a consumer needs to know about it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

from edustream_contracts.canonical import document_digest, sha256_hex
from edustream_contracts.errors import InvalidInput, Problem, Rejected
from edustream_contracts.schemas import ObjectName
from edustream_registry.names import file_name
from edustream_registry.statement import Statement, WireModel
from edustream_registry.verified_statement import VerifiedStatement, malformed

Task = Literal["binary", "multiclass", "regression"]
FILE_NAME: Final = "manifest.json"
BUNDLE_FILE: Final = "model.sig"
IDENTITY_FIELDS: Final = ("model", "task", "contract_digest", "files", "inputs", "outputs")


class ReleaseFile(WireModel):
    """One file of a release: plain name, length in bytes, SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str

    @staticmethod
    def of(path: Path) -> ReleaseFile:
        """Describe the file at `path`, reading it in pieces."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return ReleaseFile(name=file_name(path.name), size=file.tell(), sha256=digest.hexdigest())

    def check(self, data: bytes, where: str, *, remedy: str) -> None:
        """Raise `Rejected` (kind `digest`) unless `data`, found at `where`, has this length and digest."""
        self.check_digest(len(data), sha256_hex(data), where, remedy=remedy)

    def check_digest(self, size: int, digest: str, where: str, *, remedy: str) -> None:
        """Raise `Rejected` (kind `digest`) unless a file of `size` bytes with this SHA-256, at `where`, is this one."""
        if (size, digest) != (self.size, self.sha256):
            raise Rejected(
                "digest",
                f"The file {self.name} ({where}) has {size} bytes with SHA-256 {digest}; the manifest states "
                f"{self.size} bytes with {self.sha256}.",
                remedy=remedy,
            )


class InputTensor(WireModel):
    """One input of the ONNX graph: its name, dtype, and the contract's fields in column order."""

    name: str
    dtype: Literal["float32", "string"]
    columns: tuple[str, ...]


class ModelOutputs(WireModel):
    """The outputs of the ONNX graph: `label` (n,), `probabilities` float32 (n, classes), classes in column order."""

    label: str
    probabilities: str | None = None
    classes: tuple[str, ...] = ()


class DataSource(WireModel):
    """The data that a model was trained on."""

    name: str
    sha256: str
    rows: int


class CodeVersion(WireModel):
    """The code that trained a model: commit, and whether the work tree differed from it."""

    commit: str
    dirty: bool


class Rebuild(WireModel):
    """What it takes to train the same model again."""

    command: str
    config_sha256: str
    seed: int
    lock_sha256: str


class FigureInterval(WireModel):
    """Within which ends a figure is expected to lie."""

    low: float
    high: float


class GateRecord(WireModel):
    """What one gate said of a model before it was published.

    `value` and `interval` are in the unit of `limit`, and None where there are none, e.g. for a measured time.
    """

    name: str
    kind: str
    value: float | None = None
    interval: FigureInterval | None = None
    limit: float
    relation: Literal["at least", "at most"]
    kept: bool
    explanation: str


class ReleaseContent(WireModel):
    """What a producer states about a release: everything but its number, and who published it when.

    `gates` is None for a release of a producer that records none.
    """

    model: str
    task: Task
    contract_digest: str
    files: tuple[ReleaseFile, ...]
    inputs: tuple[InputTensor, ...]
    outputs: ModelOutputs
    metrics: Mapping[str, float]
    thresholds: Mapping[str, float]
    gates: tuple[GateRecord, ...] | None = None
    data: DataSource
    code: CodeVersion
    libraries: Mapping[str, str]
    rebuild: Rebuild

    @property
    def identity(self) -> str:
        """A digest that two releases share exactly if a consumer could not tell them apart.

        The bundle says who signed, as the envelope does, and takes no part.
        """
        document = self.without_bundle().model_dump(mode="json")
        substance: dict[str, Any] = {name: document[name] for name in IDENTITY_FIELDS}
        substance["files"] = sorted(substance["files"], key=lambda file: str(file["name"]))
        return document_digest(substance)

    def without_bundle(self) -> Self:
        """The same content without its OpenSSF bundle."""
        return self.model_copy(update={"files": tuple(file for file in self.files if file.name != BUNDLE_FILE)})

    def name_problems(self) -> list[Problem]:
        """Names that would overwrite one another, or the manifest itself, where the files are written to a folder."""
        seen = {FILE_NAME}
        problems = []
        for index, file in enumerate(self.files):
            name = file.name.casefold()
            if name in seen:
                problems.append(Problem(f"/files/{index}/name", f"{file.name!r} is taken by another file"))
            seen.add(name)
        return problems

    def file(self, name: str) -> ReleaseFile:
        """The file called `name`. Raises `InvalidInput` (kind `argument`) with the names that there are."""
        for file in self.files:
            if file.name == name:
                return file
        raise InvalidInput(
            "argument",
            f"The release has no file {name!r}; it has {', '.join(file.name for file in self.files)}.",
            remedy="ask for one of these.",
        )


class Manifest(Statement):
    """A release: its content under a version, and who published it when."""

    SCHEMA: ClassVar[ObjectName] = "manifest"

    type: Literal["manifest"] = "manifest"
    version: str
    content: ReleaseContent
    published_at: str
    published_by: str

    @classmethod
    def read(cls, statement: VerifiedStatement, what: str) -> Self:
        """The manifest in verified bytes; see `Statement.read`. File names that collide are `malformed` too."""
        manifest = super().read(statement, what)
        problems = manifest.content.name_problems()
        if problems:
            raise malformed(what, "names its files ambiguously", problems)
        return manifest
