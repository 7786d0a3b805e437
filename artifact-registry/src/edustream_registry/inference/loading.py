"""From a release's verified files to a model that has proved itself: contract, tensors, golden vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from edustream_contracts import contract as contracts
from edustream_contracts.contract import ModelContract
from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry import golden_vectors
from edustream_registry.inference import golden
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ReleaseContent
from edustream_registry.release_documents import MAX_BYTES, PROFILE, carried_contract, require_size

MODEL_FILE: Final = "model.onnx"
FILES: Final = frozenset({contracts.FILE_NAME, MODEL_FILE, golden_vectors.FILE_NAME})

ReadFile: TypeAlias = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class ProvedModel:
    """A model that answered all of its `golden_rows` as recorded."""

    inference: Inference
    golden_rows: int


def used_files(content: ReleaseContent) -> frozenset[str]:
    """The names of the files that whoever answers, and watches for drift, uses: `FILES`, and the profile.

    Nobody waits for what people read, plots and cards, nor for a profile that is larger than a profile may be.
    """
    most = MAX_BYTES[PROFILE]
    return FILES | {file.name for file in content.files if file.name == PROFILE and file.size <= most}


def read_contract(content: ReleaseContent, read: ReadFile, release: str) -> ModelContract:
    """The contract that a release carries; `read` gives a file's verified bytes, `release` is what messages call it.

    Raises `Rejected` (kinds `malformed`, `digest`, `mix_and_match`).
    """
    return carried_contract(content, _file(content, read, contracts.FILE_NAME), release)


def prove_model(content: ReleaseContent, contract: ModelContract, read: ReadFile) -> ProvedModel:
    """Load a release's model and replay its golden vectors.

    Raises `Rejected` (kinds `malformed`, `golden`), `Incompatible` (kind `tensors`), and what `read` raises.
    """
    inference = Inference(_file(content, read, MODEL_FILE), content, contract)
    return ProvedModel(inference, golden.replay(_file(content, read, golden_vectors.FILE_NAME), inference, contract))


def prove_directory(content: ReleaseContent, directory: Path) -> int:
    """Prove the release whose files lie in `directory`; the number of golden rows.

    Raises as `read_contract` and `prove_model` do, `Rejected` (kind `digest`) for a file that is not the one that
    `content` describes, and `InvalidInput` (kind `argument`) for one that cannot be read.
    """

    def read(name: str) -> bytes:
        path = directory / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InvalidInput(
                "argument",
                f"The file {path} cannot be read: {error.strerror}.",
                remedy="write the release's files again.",
            ) from error
        content.file(name).check(data, str(path), remedy="write the release's files again.")
        return data

    return prove_model(content, read_contract(content, read, f"the release in {directory}"), read).golden_rows


def _file(content: ReleaseContent, read: ReadFile, name: str) -> bytes:
    stated = {file.name: file for file in content.files}
    if name not in stated:
        raise Rejected(
            "malformed",
            f"The release has no {name}; it has {', '.join(sorted(stated))}.",
            remedy="have the release made again, with all files that the protocol asks for.",
        )
    require_size(stated[name], f"the release of {content.model}")
    return read(name)
