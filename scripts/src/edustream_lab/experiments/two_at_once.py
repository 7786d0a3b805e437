"""Two at once: two data scientists publish the same version, two release managers promote."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any, Final

from edustream_lab.company import Company
from edustream_lab.exit_codes import ExitCode
from edustream_lab.experiment import Experiment
from edustream_lab.monorepo import MODEL, SHARED_CODE, TRAINING, Monorepo
from edustream_lab.processes import Finished, Program, ProgramFailed
from edustream_lab.teller import Teller

VERSION: Final = "1.1.0"
MODEL_FILE: Final = "model.onnx"
CHANGES: Final = {
    "ada": (SHARED_CODE, "clip(lower=1)", "clip(lower=12)"),
    "grace": (TRAINING, "max_iter=1000", "max_iter=1000, C=0.5"),
}
"""What each of them changes in the monorepo before she trains: a file, a text that it holds, and another."""


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0 and 1.0.1, promoted by entries 1 and 2."""
    _merge(company, teller)
    _publish(company, teller)
    _promote(company, teller)


def _merge(company: Company, teller: Teller) -> None:
    teller.step("merge")
    monorepo = Monorepo.write(company)
    (monorepo.folder / ".gitignore").write_text("__pycache__/\n")
    _git(monorepo, "init", "--quiet", "--initial-branch", "main")
    _commit(monorepo, "Begin")
    for name, change in CHANGES.items():
        _done(_git(monorepo, "checkout", "--quiet", "-b", name, "main"))
        monorepo.edit(*change)
        _done(monorepo.train())
        _commit(monorepo, f"The model of {name}")
    merged = _git(monorepo, "merge", "ada")
    teller.shows(merged.output)
    unsolved = _git(monorepo, "diff", "--name-only", "--diff-filter=U").output.split()
    told = f"Cannot merge binary files: {MODEL}" in merged.output
    both = all(after in (monorepo.folder / file).read_text() for file, _, after in CHANGES.values())
    teller.fact("merge-fails", merged.returncode == 1 and both and told and unsolved == [MODEL], (merged, unsolved))


def _commit(monorepo: Monorepo, message: str) -> None:
    _done(_git(monorepo, "add", "."))
    _done(_git(monorepo, "commit", "--quiet", "--message", message))


def _git(monorepo: Monorepo, *arguments: str) -> Finished:
    """Run git as somebody, without the settings of whoever runs the experiment."""
    who = {f"GIT_{role}_{what}": "team@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    return monorepo.stage.run("git", ["git", *arguments], cwd=monorepo.folder, variables=who | settings)


def _done(finished: Finished) -> None:
    if finished.returncode:
        raise ProgramFailed(f"a program of the monorepo ended with {finished.returncode}: {finished.output}")


def _publish(company: Company, teller: Teller) -> None:
    teller.step("publish")
    programs = [
        company.start_training(
            *("--config", str(company.quick_config(seed)), "--out", str(company.home / name)),
            *("--version", VERSION, "--no-promote"),
            who=name,
        )
        for name, seed in (("ada", 3), ("grace", 4))
    ]
    _at_once(teller, programs)
    done = {program.name: program.finish() for program in programs}
    codes = sorted(one.returncode for one in done.values())
    loser = max(done, key=lambda name: done[name].returncode)
    told = "Next: publish under another version" in done[loser].output
    teller.fact(
        "one-wins",
        codes == [ExitCode.DONE, ExitCode.CONFLICT] and told,
        done,
        simultaneous_winners=codes.count(ExitCode.DONE),
        version=VERSION,
        code=ExitCode.CONFLICT,
    )
    teller.measured("simultaneous_winners", codes.count(ExitCode.DONE))
    teller.shows("\n".join(done[loser].output.splitlines()[-4:]))
    winner = min(done, key=lambda name: done[name].returncode)
    held = company.registry_json("show", f"churn@{VERSION}")["manifest"]
    teller.fact("winner-is-kept", held["published_by"] == winner, held, name=winner.capitalize())
    checked = company.registry("check", f"churn@{VERSION}")
    stored = {file["name"]: file["sha256"] for file in held["content"]["files"]}
    made = {name: _digests(company, name) for name in done}
    whole = checked.returncode == ExitCode.DONE and made[winner].items() <= stored.items()
    different = made[loser][MODEL_FILE] != stored[MODEL_FILE]
    teller.fact("release-is-whole", whole and different, (checked, stored, made))


def _at_once(teller: Teller, programs: list[Program]) -> None:
    running = [program.name for program in programs if program.process.poll() is None]
    teller.fact("at-once", len(running) == len(programs), running)


def _digests(company: Company, name: str) -> dict[str, str]:
    """The SHA-256 of every file that somebody's training wrote."""
    files = (path for path in (company.home / name).iterdir() if path.is_file())
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


def _promote(company: Company, teller: Teller) -> None:
    teller.step("promote")
    before = _history(company)
    wanted = {"mary": "1.0.0", "joan": VERSION}
    programs = [
        company.stage.start(
            name,
            [
                *(company.checkout.registry_command, "promote", f"churn@{version}", "--to", "production"),
                *("--reason", f"{name} decides", "--env-file", str(company.home / "repo-ml" / ".env")),
            ],
            cwd=company.home,
            variables={"EDUSTREAM_WHO": name},
        )
        for name, version in wanted.items()
    ]
    _at_once(teller, programs)
    done = [program.finish() for program in programs]
    teller.fact("both-land", all(one.returncode == ExitCode.DONE for one in done), done)
    after = _history(company)
    teller.shows(company.registry("history", "churn@production").output)
    added = after[len(before) :]
    teller.fact("nobody-overwritten", after[: len(before)] == before)
    teller.fact(
        "one-after-the-other",
        [entry["sequence"] for entry in added] == [len(before) + 1, len(before) + 2]
        and {entry["promoted_by"]: entry["version"] for entry in added} == wanted,
        added,
        first=len(before) + 1,
        second=len(before) + 2,
    )
    checked = company.registry("check", "churn@production")
    teller.shows(checked.output)
    linked = "gapless and linked" in checked.output
    teller.fact("chain-is-whole", checked.returncode == ExitCode.DONE and linked, checked)
    consumer = company.serving()
    last = added[-1]
    teller.fact("last-one-counts", consumer.version() == last["version"], last, name=last["promoted_by"].capitalize())
    consumer.stop()


def _history(company: Company) -> list[dict[str, Any]]:
    """The entries of the channel, first to last."""
    return list(reversed(company.registry_json("history", "churn@production")))


EXPERIMENT: Final = Experiment("two-at-once", tell, releases=2)
