"""What a pull request changes in the contracts of models: verdict, every reason, and a counterexample for what breaks.

Compares `models/<model>/contract.json` of the work tree with the merge base of HEAD and a base branch. Exit codes: 0
nothing breaks, or --allow-breaking says that it is meant to; 2 a contract or the repository cannot be read; 8 a
contract breaks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from edustream_contracts.compatibility import Comparison, Reason, Verdict, compare
from edustream_contracts.contract import FILE_NAME, MAX_BYTES, ModelContract, parse_contract
from edustream_contracts.errors import EduStreamError, GateRefused, InvalidInput, Problem
from edustream_contracts.exit_codes import DONE, EXIT_CODES, exit_code

HERE: Final = Path(__file__).resolve().parents[1]
DEFAULT_BASE: Final = "origin/main"
WIDTH: Final = 118
INDENT: Final = " " * 14
MEANINGS: Final = {
    "new": "a new contract; nobody built upon it yet",
    "removed": "removed; whoever built upon it has nothing left",
    "unreadable": "the contract at the merge base is outside the profile, so nobody knows what the change breaks",
}
REFUSAL: Final = (
    "{models}: the change breaks those who built upon the contract.\n"
    "Next: keep what they rely on; or, if breaking it is the intention, say so with --allow-breaking (in a pull "
    "request: the label breaking-contract). The next release then has a new major version."
)


@dataclass(frozen=True, slots=True)
class ContractChange:
    """What became of one model's contract: compared; or new, removed, or with an old one that cannot be read."""

    model: str
    outcome: Literal["compared", "new", "removed", "unreadable"]
    comparison: Comparison | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def breaks(self) -> bool:
        """Whether somebody who built upon the old contract is harmed, or nobody knows."""
        if self.comparison is not None:
            return self.comparison.verdict is Verdict.BREAKING
        return self.outcome != "new"

    @property
    def verdict(self) -> str:
        """The verdict, or what became of the contract where there is none."""
        return self.outcome if self.comparison is None else str(self.comparison.verdict)

    def as_document(self) -> dict[str, Any]:
        """The change as a JSON document."""
        details = {"reasons": []} if self.comparison is None else self.comparison.as_document()
        problems = [{"pointer": problem.pointer, "message": problem.message} for problem in self.problems]
        return {**details, "model": self.model, "verdict": self.verdict, "breaks": self.breaks, "problems": problems}


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository around a folder of contracts."""

    contracts: Path

    def merge_base(self, base: str) -> str:
        """The commit at which HEAD and `base` parted. Raises `InvalidInput` (kind `argument`)."""
        fact = f"There is no merge base of {base!r} and HEAD in {self.contracts}"
        return self._git("merge-base", "--end-of-options", base, "HEAD", failure=fact).decode().strip()

    def contracts_at(self, commit: str) -> dict[str, bytes]:
        """The contract documents of a commit, by model. Raises `InvalidInput` (kind `argument`)."""
        failure = f"The contracts of commit {commit} cannot be read in {self.contracts}"
        listed = self._git("ls-tree", "-r", "-z", "--name-only", commit, "--", "models/", failure=failure)
        names = [name for name in os.fsdecode(listed).split("\0") if Path(name).match(f"models/*/{FILE_NAME}")]
        return {
            Path(name).parent.name: self._git("cat-file", "blob", f"{commit}:./{name}", failure=failure)
            for name in names
        }

    def contracts_here(self) -> dict[str, bytes]:
        """The contract documents of the work tree, by model; no more of each than shows that it is too large."""
        found: dict[str, bytes] = {}
        for path in filter(Path.is_file, sorted(self.contracts.glob(f"models/*/{FILE_NAME}"))):
            with path.open("rb") as stream:
                found[path.parent.name] = stream.read(MAX_BYTES + 1)
        return found

    def _git(self, *arguments: str, failure: str) -> bytes:
        command = ["git", "-C", str(self.contracts), *arguments]
        try:
            return subprocess.run(command, check=True, capture_output=True).stdout
        except FileNotFoundError as error:
            raise InvalidInput(
                "configuration", "There is no program git on the path.", remedy="install git, then run it again."
            ) from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip() or "the histories have no commit in common"
            raise InvalidInput(
                "argument",
                f"{failure}: {said}",
                remedy="run it in a clone with full history (`git fetch --unshallow`), and name a base with --base.",
            ) from error


def changes(repository: Repository, base: str) -> list[ContractChange]:
    """What became of every contract since the merge base with `base`, by model.

    Raises `InvalidInput`: kind `contract` with every problem of the work tree's documents, kind `argument` where there
    is no merge base.
    """
    before = repository.contracts_at(repository.merge_base(base))
    after, problems = _read_all(repository.contracts_here())
    if problems:
        raise InvalidInput(
            "contract",
            f"The contracts of this work tree have {len(problems)} problem{'s' if len(problems) > 1 else ''}.",
            remedy="correct them; PROTOCOL.md, section 8, lists what a contract may say.",
            problems=problems,
        )
    return [_change(model, before.get(model), after.get(model)) for model in sorted({*before, *after})]


def _read_all(documents: Mapping[str, bytes]) -> tuple[dict[str, ModelContract], list[Problem]]:
    found: dict[str, ModelContract] = {}
    problems: list[Problem] = []
    for model, data in documents.items():
        try:
            found[model] = _read(model, data)
        except InvalidInput as error:
            place = f"models/{model}/{FILE_NAME}#"
            problems.extend(Problem(f"{place}{problem.pointer}", problem.message) for problem in error.problems)
    return found, problems


def _read(model: str, data: bytes) -> ModelContract:
    contract = parse_contract(data)
    if contract.model != model:
        wrong = Problem("/model", f"is {contract.model!r} in the folder of {model!r}")
        raise InvalidInput("contract", "The contract is another model's.", remedy="move it.", problems=[wrong])
    return contract


def _change(model: str, before: bytes | None, new: ModelContract | None) -> ContractChange:
    if before is None:
        return ContractChange(model, "new")
    if new is None:
        return ContractChange(model, "removed")
    try:
        old = _read(model, before)
    except InvalidInput as error:
        return ContractChange(model, "unreadable", problems=error.problems)
    return ContractChange(model, "compared", compare(old, new))


def table(found: Sequence[ContractChange]) -> str:
    """The changes for people."""
    return "\n".join(line for change in found for line in _lines(change)) or "There are no contracts."


def _lines(change: ContractChange) -> Iterator[str]:
    comparison = change.comparison
    if comparison is None:
        yield f"{change.model}: {MEANINGS[change.outcome]}"
        yield from (f"  {problem}" for problem in change.problems)
        return
    yield f"{change.model}: {change.verdict} (input {comparison.input}, output {comparison.output})"
    for reason in comparison.reasons:
        yield f"  {reason.verdict:<10}  {reason.rule:<18}  {reason.pointer}"
        yield from _wrapped(reason.sentence)
        if reason.counterexample is not None:
            yield from _shown(reason)


def _shown(reason: Reason) -> Iterator[str]:
    holder = {"input": "old", "output": "new"}[reason.side]
    yield f"{INDENT}{f'valid under the {holder} contract alone' if reason.refutes else 'read in another way now'}:"
    yield from _wrapped(json.dumps(reason.counterexample, ensure_ascii=False))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, break_on_hyphens=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, and say by the exit code whether something breaks."""
    parser = argparse.ArgumentParser(prog="contract_diff.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--base", default=DEFAULT_BASE, help="branch or commit to compare with (default %(default)s)")
    parser.add_argument(
        "--contracts", type=Path, default=HERE, help="the folder that holds models/ (default: this one)"
    )
    parser.add_argument("--allow-breaking", action="store_true", help="say that breaking is intended: exit code 0")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        found = changes(Repository(options.contracts), options.base)
    except EduStreamError as error:
        _say(sys.stderr, str(error))
        return exit_code(error)
    documents = [change.as_document() for change in found]
    _say(sys.stdout, json.dumps(documents, indent=2) if options.json else table(found))
    broken = [change.model for change in found if change.breaks]
    if not broken or options.allow_breaking:
        return DONE
    _say(sys.stderr, REFUSAL.format(models=", ".join(broken)))
    return EXIT_CODES[GateRefused]


def _say(stream: TextIO, text: str) -> None:
    # The name of a folder need not be text.
    stream.write(text.encode(errors="backslashreplace").decode() + "\n")


if __name__ == "__main__":
    sys.exit(main())
