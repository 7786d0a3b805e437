"""Two at once: two data scientists publish the same version, two release managers promote."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, Final

from edustream_lab.company import Company
from edustream_lab.experiment import Experiment
from edustream_lab.processes import Finished
from edustream_lab.teller import Teller

CONFLICT: Final = 7
VERSION: Final = "1.1.0"


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0 and 1.0.1, promoted by entries 1 and 2."""
    _merge(company, teller)
    _publish(company, teller)
    _promote(company, teller)


def _merge(company: Company, teller: Teller) -> None:
    teller.step("merge")
    repo = company.home / "monorepo"
    model = repo / "ml" / "models" / "churn_model.pkl"
    model.parent.mkdir(parents=True)
    _git(company, repo, "init", "--quiet", "--initial-branch", "main")
    _git(company, repo, "commit", "--quiet", "--allow-empty", "--message", "Begin")
    for name in ("ada", "grace"):
        _git(company, repo, "checkout", "--quiet", "-b", name, "main")
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_bytes(pickle.dumps({"trained by": name}))
        _git(company, repo, "add", ".")
        _git(company, repo, "commit", "--quiet", "--message", f"The model of {name}")
    merged = _git(company, repo, "merge", "ada")
    teller.shows(merged.output)
    teller.fact("merge-fails", merged.returncode == 1 and "Cannot merge binary files" in merged.output, merged)


def _git(company: Company, repo: Path, *arguments: str) -> Finished:
    """Run git as somebody, without the settings of whoever runs the experiment."""
    who = {f"GIT_{role}_{what}": "team@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    return company.stage.run("git", ["git", *arguments], cwd=repo, variables=who | settings)


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
    done = {program.name: program.finish() for program in programs}
    codes = sorted(one.returncode for one in done.values())
    loser = next((name for name, one in done.items() if one.returncode == CONFLICT), "")
    told = codes == [0, CONFLICT] and "Next: publish under another version" in done[loser].output
    teller.fact("one-wins", told, done, version=VERSION, code=CONFLICT)
    teller.measured("simultaneous_winners", codes.count(0))
    teller.shows("\n".join(done[loser].output.splitlines()[-4:]))
    winner = next(name for name in done if name != loser)
    held = company.registry_json("show", f"churn@{VERSION}")["manifest"]
    teller.fact("winner-is-kept", held["published_by"] == winner, held, name=winner.capitalize())
    checked = company.registry("check", f"churn@{VERSION}")
    teller.fact("release-is-whole", checked.returncode == 0, checked)


def _promote(company: Company, teller: Teller) -> None:
    teller.step("promote")
    before = _history(company)
    programs = [
        company.stage.start(
            name,
            [
                *(company.checkout.registry_command, "promote", f"churn@{version}", "--to", "production"),
                *("--reason", reason, "--env-file", str(company.home / "repo-ml" / ".env")),
            ],
            cwd=company.home,
            variables={"EDUSTREAM_WHO": name},
        )
        for name, version, reason in (("mary", "1.0.0", "back to the first"), ("joan", VERSION, "the newest"))
    ]
    done = [program.finish() for program in programs]
    teller.fact("both-land", [one.returncode for one in done] == [0, 0], done)
    after = _history(company)
    teller.shows(company.registry("history", "churn@production").output)
    added = after[len(before) :]
    teller.fact("nobody-overwritten", after[: len(before)] == before)
    teller.fact(
        "one-after-the-other",
        [entry["sequence"] for entry in added] == [len(before) + 1, len(before) + 2]
        and {entry["promoted_by"] for entry in added} == {"mary", "joan"},
        added,
        first=len(before) + 1,
        second=len(before) + 2,
    )
    checked = company.registry("check", "churn@production")
    teller.shows(checked.output)
    teller.fact("chain-is-whole", checked.returncode == 0 and "gapless and linked" in checked.output, checked)
    consumer = company.serving()
    last = added[-1]
    teller.fact("last-one-counts", consumer.version() == last["version"], last, name=last["promoted_by"].capitalize())
    consumer.stop()


def _history(company: Company) -> list[dict[str, Any]]:
    """The entries of the channel, first to last."""
    return list(reversed(company.registry_json("history", "churn@production")))


EXPERIMENT: Final = Experiment("two-at-once", tell, releases=2)
