"""`split_repos.sh` makes four repositories that stand alone: the proof that the walls between the folders are real."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from edustream_lab.company import Company
from edustream_lab.handover import hand_over
from edustream_lab.narrator import Narrator
from edustream_lab.places import Checkout
from edustream_lab.processes import Stage, environment

REPOS = ("contracts", "artifact-registry", "repo-ml", "repo-api")
BUILT_ON = {
    "contracts": (),
    "artifact-registry": ("contracts",),
    "repo-ml": ("contracts", "artifact-registry"),
    "repo-api": ("contracts", "artifact-registry"),
}
CONSUMER = "repo-api"
FOR_EVERY_REPOSITORY = ("LICENSE",)
LINK = re.compile(r"\]\(([^)\s#]+)[^)\s]*\)")
IMPORTS = {
    "contracts": "from edustream_contracts.contract import load_contract; load_contract('churn')",
    "artifact-registry": "import edustream_registry.cli; from edustream_registry.policies import names; assert names()",
    "repo-ml": "import edustream_ml.cli",
    "repo-api": "import edustream_api.cli",
}


def said_by(command: Sequence[str | Path], cwd: Path, **variables: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment(variables), capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def split(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("split") / "company"
    said = said_by([checkout.root / "scripts" / "split_repos.sh", target], tmp_path_factory.getbasetemp())
    assert [line.split()[-1] for line in said.splitlines()] == ["commits"] * len(REPOS)
    assert sorted(path.name for path in target.iterdir()) == sorted(REPOS)
    return target


@pytest.fixture(scope="module")
def wheels(checkout: Checkout, split: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    for repo in REPOS:
        hatchling = [checkout.python(checkout.root / repo), "-m", "hatchling", "build", "--target", "wheel"]
        said_by([*hatchling, "--directory", folder / repo], split / repo)
    return {repo: next((folder / repo).glob("*.whl")) for repo in REPOS}


def history(repository: Path, *paths: str) -> list[str]:
    shown = "--format=%an %ae %ad %cd %s"
    return sorted(
        said_by(["git", "log", "--no-merges", "--full-history", shown, "--", *paths], repository).splitlines()
    )


def files(repository: Path, tree: str) -> set[str]:
    return set(said_by(["git", "ls-tree", "-r", tree], repository).splitlines())


def contents(repository: Path, objects: str) -> set[str]:
    kinds = subprocess.run(
        ["git", "cat-file", "--batch-check=%(objectname) %(objecttype)"],
        cwd=repository,
        input="\n".join(line.split()[0] for line in objects.splitlines()),
        check=True,
        capture_output=True,
        text=True,
    )
    return {line.split()[0] for line in kinds.stdout.splitlines() if line.endswith(" blob")}


@pytest.mark.parametrize("repo", REPOS)
def test_a_repository_is_its_folder_with_the_whole_history_of_it(checkout: Checkout, split: Path, repo: str) -> None:
    kept = (f"{repo}/", *FOR_EVERY_REPOSITORY)
    shared = {line for line in files(checkout.root, "HEAD") if line.partition("\t")[2] in FOR_EVERY_REPOSITORY}
    assert files(split / repo, "HEAD") == files(checkout.root, f"HEAD:{repo}") | shared
    assert history(split / repo) == history(checkout.root, *kept)
    assert said_by(["git", "status", "--porcelain"], split / repo) == ""
    assert said_by(["git", "remote"], split / repo) == ""


@pytest.mark.parametrize("repo", REPOS)
def test_a_repository_holds_no_content_of_another_in_any_commit(checkout: Checkout, split: Path, repo: str) -> None:
    listed = said_by(["git", "rev-list", "--objects", "HEAD", "--", f"{repo}/", *FOR_EVERY_REPOSITORY], checkout.root)
    stored = said_by(["git", "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"], split / repo)
    assert contents(split / repo, stored) == contents(checkout.root, listed)


@pytest.mark.parametrize("arguments", [(), ("",), ("--help",), ("one", "two")])
def test_what_is_no_folder_is_answered_with_the_usage(
    checkout: Checkout, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    script = checkout.root / "scripts" / "split_repos.sh"
    done = subprocess.run([script, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (2, "", [])
    assert done.stderr == "usage: split_repos.sh FOLDER, which must not exist yet\n"


def test_a_tree_with_less_than_its_whole_history_says_so(checkout: Checkout, tmp_path: Path) -> None:
    shallow, unpacked = tmp_path / "shallow", tmp_path / "unpacked"
    said_by(["git", "clone", "--quiet", "--depth", "1", checkout.root.as_uri(), shallow], tmp_path)
    shutil.copy2(checkout.root / "scripts" / "split_repos.sh", shallow / "scripts")
    shutil.copytree(shallow, unpacked, ignore=shutil.ignore_patterns(".git"))
    for tree, said in ((shallow, "is a shallow clone"), (unpacked, "is no git repository")):
        done = subprocess.run([tree / "scripts" / "split_repos.sh", tmp_path / "out"], capture_output=True, text=True)
        # Neither has the environment that holds the tool.
        assert (done.returncode, (tmp_path / "out").exists()) == (2, False)
        assert said in done.stderr


def test_a_folder_that_exists_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    done = subprocess.run([checkout.root / "scripts" / "split_repos.sh", tmp_path], capture_output=True, text=True)
    assert (done.returncode, [path.name for path in tmp_path.iterdir()]) == (2, ["mine"])
    assert "exists already" in done.stderr


def test_an_interrupted_split_leaves_nothing(checkout: Checkout, programs: Stage, tmp_path: Path) -> None:
    """Ctrl-C reaches the script and the program that it waits for."""
    target = tmp_path / "company"
    program = programs.start("split", [str(checkout.root / "scripts" / "split_repos.sh"), str(target)], cwd=tmp_path)
    program.wait_for((target / "contracts").exists, "splitting", 60)
    os.killpg(program.process.pid, signal.SIGINT)
    assert program.finish(60).returncode == 130
    assert not target.exists()


@pytest.mark.parametrize("repo", REPOS)
def test_links_of_a_repository_lead_into_it_or_to_a_sibling(split: Path, repo: str) -> None:
    listed = said_by(["git", "ls-files", "*.md"], split / repo).splitlines()
    found = [(path, link) for path in listed for link in LINK.findall((split / repo / path).read_text())]
    within = [(path, link) for path, link in found if "://" not in link]
    assert within
    assert [(path, link) for path, link in within if not ((split / repo / path).parent / link).exists()] == []


@pytest.mark.parametrize("repo", REPOS)
def test_a_readme_says_what_needs_the_tree_and_what_does_without(checkout: Checkout, split: Path, repo: str) -> None:
    """There is no Makefile in a repository that stands alone."""
    text = (split / repo / "README.md").read_text()
    pieces = re.split(r"\n\n|\n(?=\||\d+\. |- )", text)
    assert [piece for piece in pieces if re.search("`make ", piece) and not re.search(r"\btree\b", piece)] == []
    *environment_of_its_own, wheel = commands_of_the_readme(checkout).preparation
    assert "pip wheel" in wheel
    assert [command for command in environment_of_its_own if f"`{command}`" not in text] == []


@pytest.mark.parametrize("repo", REPOS)
def test_its_wheel_works_with_the_others_wheels(
    checkout: Checkout, wheels: dict[str, Path], repo: str, tmp_path: Path
) -> None:
    """Third-party packages come from the environment of this checkout, every one of ours from a wheel of the split."""
    for name in (*BUILT_ON[repo], repo):
        zipfile.ZipFile(wheels[name]).extractall(tmp_path / "site")
    program = f"""
{IMPORTS[repo]}
import sys
print(*{{module.__file__ for name, module in sys.modules.items() if name.startswith("edustream_")}}, sep="\\n")
"""
    loaded = said_by(
        [checkout.python(checkout.root / repo), "-c", program], tmp_path, PYTHONPATH=str(tmp_path / "site")
    )
    assert loaded
    assert [path for path in loaded.splitlines() if not path.startswith(f"{tmp_path}{os.sep}")] == []


@dataclass(frozen=True, slots=True)
class Told:
    """What the README tells to type in a repository: for every one, for the consumer's clients, and last of all."""

    preparation: list[str]
    clients: list[str]
    checks: list[str]


def commands_of_the_readme(checkout: Checkout) -> Told:
    section = (checkout.root / "README.md").read_text().partition("## From simulation to reality")[2]
    _, *found = re.findall(r"```console\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    return Told(*(block.splitlines() for block in found))


@pytest.fixture(scope="module")
def alone(
    checkout: Checkout, split: Path, wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Clones a repository into a folder without neighbours, and does there all that the README says before lint."""

    @cache
    def prepared(repo: str) -> Path:
        home = tmp_path_factory.mktemp(repo) / repo
        said_by(["git", "clone", "--quiet", split / repo, home], split)
        (home.parent / "wheels").mkdir()
        for other in BUILT_ON[repo]:
            shutil.copy(wheels[other], home.parent / "wheels")
        for command in commands_of_the_readme(checkout).preparation:
            said_by(["sh", "-c", command], home)
        return home

    return prepared


@pytest.mark.prove
@pytest.mark.parametrize("repo", REPOS)
def test_its_own_lint_and_tests_pass_where_nothing_else_is(
    checkout: Checkout, alone: Callable[[str], Path], repo: str
) -> None:
    home = alone(repo)
    told = commands_of_the_readme(checkout)
    for command in [*(told.clients if repo == CONSUMER else ()), *told.checks]:
        said_by(["sh", "-c", command], home)
    assert said_by(["git", "status", "--porcelain"], home) == ""


@pytest.mark.prove
def test_producer_and_consumer_meet_on_a_bucket_alone(
    alone: Callable[[str], Path], programs: Stage, tmp_path: Path
) -> None:
    root = tmp_path / "apart"
    root.mkdir()
    for repo in REPOS:
        (root / repo).symlink_to(alone(repo))
    narrator = Narrator(io.StringIO(), {})
    hand_over(Company(Checkout(root), programs, tmp_path / "company", quick=True), narrator)
    assert narrator.claims >= 3
