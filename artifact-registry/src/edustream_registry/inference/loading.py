"""From a release's verified files to a model that has proved itself: contract, tensors, golden vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from edustream_contracts import contract as contracts
from edustream_contracts.contract import ModelContract, parse_contract
from edustream_contracts.errors import InvalidInput, Rejected
from edustream_registry import golden_vectors
from edustream_registry.inference import golden
from edustream_registry.inference.session import Inference
from edustream_registry.manifest import ReleaseContent

MODEL_FILE: Final = "model.onnx"
# A release also holds what people read: plots and cards are nothing that whoever answers waits for.
FILES: Final = frozenset({contracts.FILE_NAME, MODEL_FILE, golden_vectors.FILE_NAME})

# Of documents, which are held in memory whole; known from the manifest before a byte is read.
MAX_BYTES: Final = {contracts.FILE_NAME: contracts.MAX_BYTES, golden_vectors.FILE_NAME: golden_vectors.MAX_BYTES}

ReadFile: TypeAlias = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class ProvedModel:
    """A model that answered all of its `golden_rows` as recorded."""

    inference: Inference
    golden_rows: int


def read_contract(content: ReleaseContent, read: ReadFile, release: str) -> ModelContract:
    """The contract that a release carries; `read` gives a file's verified bytes, `release` is what messages call it.

    Raises `Rejected` (kinds `malformed`, `digest`, `mix_and_match`).
    """
    data = _file(content, read, contracts.FILE_NAME)
    try:
        contract = parse_contract(data)
    except InvalidInput as error:
        raise Rejected(
            "malformed",
            f"The contract of {release} is not valid.",
            remedy="do not serve it; have the release made again from a valid contract.",
            problems=error.problems,
        ) from error
    if contract.digest != content.contract_digest:
        raise Rejected(
            "digest",
            f"The contract of {release} has the digest {contract.digest}; its manifest says {content.contract_digest}.",
            remedy="do not serve it; have the release made again.",
        )
    if contract.model != content.model:
        raise Rejected(
            "mix_and_match",
            f"The contract of {release} is that of the model {contract.model!r}.",
            remedy="do not serve it; have the release made again with the contract of its own model.",
        )
    return contract


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
    stated = {file.name: file.size for file in content.files}
    if name not in stated:
        raise Rejected(
            "malformed",
            f"The release has no {name}; it has {', '.join(sorted(stated))}.",
            remedy="have the release made again, with all files that the protocol asks for.",
        )
    if stated[name] > MAX_BYTES.get(name, stated[name]):
        raise Rejected(
            "malformed",
            f"The release's {name} has {stated[name]} bytes; at most {MAX_BYTES[name]} are allowed.",
            remedy="have the release made again, with fewer golden rows or a smaller contract.",
        )
    return read(name)
