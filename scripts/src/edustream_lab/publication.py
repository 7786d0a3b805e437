"""Releases that no training made: of a contract that was changed, of files that were changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edustream_lab.company import Company
from edustream_lab.processes import Finished, ProgramFailed


def publish_contract(
    company: Company, name: str, change: Callable[[dict[str, Any]], None], version: str = "auto"
) -> Finished:
    """Publish a release that keeps the churn contract with a change, and holds no model that could be served."""
    contract = json.loads((company.checkout.root / "contracts" / "models" / "churn" / "contract.json").read_text())
    change(contract)
    file = company.home / f"{name}.json"
    file.write_text(json.dumps(contract))
    return _run(company, "publish_contract.py", file, company.home / "repo-ml" / ".env", version)


def publish_files(company: Company, folder: Path, version: str = "auto", env_file: Path | None = None) -> Finished:
    """Publish what a folder that `pull` wrote holds now, by the producer's env file or another."""
    return _run(company, "publish_files.py", folder, env_file or company.home / "repo-ml" / ".env", version)


def pull(company: Company, reference: str, name: str) -> Path:
    """Pull a release into a new folder of the company's; the folder."""
    folder = company.home / name
    done = company.registry("pull", reference, "--to", str(folder))
    if done.returncode:
        raise ProgramFailed(f"pulling {reference} ended with {done.returncode}: {done.output}")
    return folder


def released(done: Finished) -> str:
    """The version that was published; empty where none was."""
    words = done.output.partition(":")[0].split()
    return words[1] if done.returncode == 0 and words[:1] == ["published"] else ""


def _run(company: Company, program: str, *arguments: Path | str) -> Finished:
    python = company.checkout.python(company.checkout.root / "artifact-registry")
    path = company.checkout.root / "scripts" / "experiments" / program
    return company.stage.run("publisher", [python, str(path), *map(str, arguments)], cwd=company.home)
