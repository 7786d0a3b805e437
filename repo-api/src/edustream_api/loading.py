"""Turns a verified local release into a model that may be served: contract pin, tensors, golden replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edustream_contracts.compatibility import compare
from edustream_contracts.contract import Field, ModelContract, load_contract, parse_contract
from edustream_contracts.errors import Incompatible, InvalidInput, Problem
from edustream_contracts.tensor_range import beyond_float32, unbounded
from edustream_registry.inference.loading import prove_model, read_contract
from edustream_registry.inference.session import Inference
from edustream_registry.local_copy import LocalRelease
from edustream_registry.resolved import Resolved

from edustream_api.drift.reference import NoReference, Reference, reference_of
from edustream_api.explanation import ReleaseExplainer

MOST_UNKNOWN: Final = 20


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A release that passed every check, ready to answer."""

    release: Resolved
    contract: ModelContract
    inference: Inference
    golden_rows: int
    unbounded: tuple[Field, ...]
    reference: Reference | NoReference
    name: str = field(init=False)
    """The model's name."""
    version: str = field(init=False)
    """The release's version."""
    explainer: ReleaseExplainer = field(init=False, repr=False, compare=False)
    """Explains its answers, for as long as it serves."""

    def __post_init__(self) -> None:
        # Every answer tells both, and the way to them is long.
        object.__setattr__(self, "name", self.release.manifest.content.model)
        object.__setattr__(self, "version", self.release.manifest.version)
        explainer = ReleaseExplainer(f"{self.name}@{self.version}", self.inference, self.contract, self.reference)
        object.__setattr__(self, "explainer", explainer)

    def accepts(self, row: Any) -> bool:
        """Whether `row` satisfies the contract and fits the model's tensors."""
        if not self.contract.input_validator.is_valid(row):
            return False
        return not self.unbounded or not beyond_float32(row, self.unbounded)

    def problems(self, row: Any) -> list[Problem]:
        """Everything that is wrong with `row`, by field; empty when the row is accepted.

        Of the fields that the contract does not have, `MOST_UNKNOWN` are named and the others are counted.
        """
        if isinstance(row, list):
            return [Problem("", "is an array; an object is expected")]
        if not isinstance(row, Mapping):
            return self.contract.input_validator.problems(row)
        known = {field.name for field in self.contract.inputs}
        unknown = [name for name in row if name not in known]
        # The validator copies the whole row for each problem that it finds.
        unnamed = frozenset(unknown[MOST_UNKNOWN:])
        shallow = {name: _emptied(value) for name, value in row.items() if name not in unnamed}
        found = self.contract.input_validator.problems(shallow)
        if unnamed:
            found.append(Problem("", f"has {len(unnamed)} more fields that are not fields of the contract"))
        return found or beyond_float32(row, self.unbounded)


@dataclass(frozen=True, slots=True)
class ContractPin:
    """The contract that this consumer was built for, which a release may extend; None accepts whatever it brings."""

    contract: ModelContract | None

    @staticmethod
    def of(setting: str, model: str) -> ContractPin:
        """Read the setting: `installed`, `any`, or the paths of contract documents, one of them the model's.

        Raises `InvalidInput` (kind `contract`) where there is no such contract, it is not valid, or none is the
        model's.
        """
        if setting == "any":
            return ContractPin(None)
        if setting == "installed":
            return ContractPin(load_contract(model))
        contracts = [_contract_at(path.strip()) for path in setting.split(",")]
        for contract in contracts:
            if contract.model == model:
                return ContractPin(contract)
        models = ", ".join(repr(contract.model) for contract in contracts)
        raise InvalidInput(
            "contract",
            f"The contract {setting} is that of the model {models}, not of {model!r}.",
            remedy=f"give --contract the path of a contract of {model}, or one of installed and any.",
        )

    def check(self, offered: ModelContract, release: str) -> None:
        """Raises `Incompatible` (kind `contract`) where a release's contract breaks the pinned one."""
        pinned = self.contract
        if pinned is None or pinned.digest == offered.digest:
            return
        breaking = compare(pinned, offered).breaking
        if not breaking:
            return
        raise Incompatible(
            "contract",
            f"{release} keeps the contract {offered.digest[:12]}…, which breaks {pinned.digest[:12]}…, the one that "
            "this consumer pins.",
            remedy="install the edustream-contracts that the release was made with, or have a release promoted that "
            "keeps the pinned contract; --contract any accepts every contract.",
            problems=[Problem(reason.pointer, reason.sentence) for reason in breaking],
        )


def _contract_at(path: str) -> ModelContract:
    try:
        return parse_contract(Path(path).read_bytes())
    except OSError as error:
        raise InvalidInput(
            "contract",
            f"The contract {path} cannot be read: {error.strerror}.",
            remedy="give --contract the path of a contract document, or one of installed and any.",
        ) from error


@dataclass(frozen=True, slots=True)
class ModelLoader:
    """Loads releases for a consumer that pins a contract."""

    pin: ContractPin

    def load(self, release: LocalRelease) -> ServedModel:
        """Check everything about a release that its signature does not say, and load its model.

        Raises `Rejected` (kinds `malformed`, `digest`, `mix_and_match`, `golden`), `Incompatible` (kinds `contract`,
        `tensors`).
        """
        content = release.resolved.manifest.content
        name = f"{content.model}@{release.resolved.manifest.version}"
        contract = read_contract(content, release.read, name)
        self.pin.check(contract, name)
        proved = prove_model(content, contract, release.read)
        return ServedModel(
            release.resolved,
            contract,
            proved.inference,
            proved.golden_rows,
            unbounded(contract),
            reference_of(content, contract, release.read),
        )


def _emptied(value: Any) -> Any:
    """The value with nothing in it, if it is an array or an object.

    A contract is flat, so these are refused whatever they hold, and the validator gives up on deep ones.
    """
    return type(value)() if isinstance(value, list | dict) else value
