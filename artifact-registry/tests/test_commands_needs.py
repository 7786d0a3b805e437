"""What a backend developer types, with the keys that init hands out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import settings_in
from typer.testing import CliRunner, Result

from edustream_contracts.contract import ModelContract, contract_from
from edustream_contracts.errors import EduStreamError, Incompatible, InvalidInput
from edustream_contracts.exit_codes import exit_code
from edustream_registry import layout
from edustream_registry.authorship import open_author
from edustream_registry.cli import app
from edustream_registry.connection import open_store
from edustream_registry.local_server import RunningServer
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.publishing import Publisher
from edustream_registry.store import WriteCondition
from edustream_registry.testing.simulator import write_release

Run = Callable[..., Result]
GATE = 8


@pytest.fixture(scope="module")
def repos(moto_server: RunningServer, tmp_path_factory: pytest.TempPathFactory, contract: ModelContract) -> Folders:
    """A registry with churn 1.0.0 on production, and 2.0.0, which takes no tenure above 60."""
    root = tmp_path_factory.mktemp("needs")
    written = Folders.below(root)
    Provisioner(dataclasses.replace(settings_in(moto_server.admin_env), bucket="needs")).init(written)
    author = open_author(settings_in(written.producer / ".env"), "the producer")
    document = json.loads(json.dumps(contract.document))
    document["input"]["properties"]["tenure"]["maximum"] = 60
    for version, released in (("1.0.0", contract), ("2.0.0", contract_from(document))):
        content = write_release(root / version, released, version.encode())
        Publisher(author, bundler=None).publish(content, root / version, version)
    return written


@pytest.fixture
def run(repos: Folders, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command as one of the users; an error becomes what `main` makes of it."""
    for name in ("EDUSTREAM_CONSUMER", "EDUSTREAM_SIGNING_KEY_FILE", "EDUSTREAM_TRUST_FILE", "REGISTRY_URL"):
        monkeypatch.delenv(name, raising=False)

    def command(who: str, *words: str) -> Result:
        env_file = getattr(repos, who) / ".env"
        result = CliRunner().invoke(app, [*words, "--env-file", str(env_file)], env={"COLUMNS": "240"})
        if isinstance(result.exception, EduStreamError):
            result.exit_code = exit_code(result.exception)
        elif result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return command


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_from_the_first_promotion_to_the_withdrawal(run: Run) -> None:
    assert (
        "no consumer states any needs of churn@production"
        in run("producer", "check", "churn@1.0.0", "--to", "production").stdout
    )
    assert run("producer", "promote", "churn@1.0.0", "--to", "production").exit_code == 0
    assert "No consumer states any needs of churn" in run("producer", "needs", "list", "churn").stdout

    said = run("consumer", "needs", "add", "churn@production").stdout
    assert "api needs churn@production: it runs churn@1.0.0, pins the major version 1, sends 19 fields" in said
    assert "api" in run("producer", "needs", "list").stdout
    (stated,) = document(run("admin", "needs", "list", "--json"))["stated"]
    assert (stated["consumer"], stated["running"], stated["follows"]) == ("api", "1.0.0", "production")

    assert run("producer", "check", "churn@2.0.0").exit_code == 0
    refused = run("producer", "check", "churn@2.0.0", "--to", "production")
    assert refused.exit_code == GATE
    assert "breaks  api: pins the major version 1; runs churn@1.0.0, whose contract this one breaks" in refused.stdout
    answer = document(run("consumer", "check", "churn@2.0.0", "--to", "production", "--json"))
    assert (answer["may_be_deployed"], answer["may_be_promoted"], answer["kind"]) == (False, False, "needs")
    assert [(one["consumer"], one["effect"]) for one in answer["consumers"]] == [("api", "breaks")]

    refused = run("producer", "promote", "churn@2.0.0", "--to", "production")
    assert refused.exit_code == GATE
    assert "api: pins the major version 1" in str(refused.exception)

    # The consumer is ready for the next major, and says so: now only what it sends stands in the way.
    run("consumer", "needs", "add", "churn@production", "--major", "2")
    answer = document(run("producer", "check", "churn@2.0.0", "--to", "production", "--json"))
    (one,) = answer["consumers"]
    (reason,) = one["reasons"]
    assert reason["pointer"] == "/input/properties/tenure/maximum"
    assert reason["counterexample"]["tenure"] > 60
    assert document(run("producer", "check", "churn@1.0.0", "--to", "staging", "--json"))["may_be_promoted"]

    moved = document(
        run(
            "producer", "promote", "churn@2.0.0", "--to", "production", "--break", "api", "--reason", "agreed", "--json"
        )
    )
    assert moved["broken"] == ["api"]
    assert moved["entry"]["reason"] == "agreed (against the needs of api)"
    back = run("producer", "rollback", "churn@production", "--reason", "regretted").stdout
    assert "against the needs of api: tell whoever runs it." in back

    assert (
        "api withdrew 1 statement about churn@production" in run("consumer", "needs", "end", "churn@production").stdout
    )
    assert document(run("consumer", "needs", "end", "churn", "--json")) == {"consumer": "api", "withdrawn": []}
    assert "nothing was written" in run("consumer", "needs", "end", "churn").stdout
    assert run("producer", "promote", "churn@2.0.0", "--to", "production").exit_code == 0


def test_named_fields(run: Run, contract: ModelContract) -> None:
    sends = [word for name in contract.input_schema["required"] for word in ("--sends", name)]

    said = document(run("consumer", "needs", "add", "churn@1.0.0", *sends, "--reads", "prediction", "--json"))

    assert (said["sends"], said["reads"]) == (contract.input_schema["required"], ["prediction"])
    assert said["follows"] == "1.0.0"
    run("consumer", "needs", "end", "churn")


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (("add", "churn@1.0.0", "--reads", "score"), "reads: names 'score', which is no output field"),
        (("add", "churn@1.0.0", "--for", "400d"), "cannot be stated for 400d"),
        (("add", "churn@1.0.0", "--for", "0s"), "cannot be stated for 0s"),
        (("add", "churn@1.0.0", "--for", "soon"), "'soon' is no duration"),
        (("add", "churn@1.0.0", "--consumer", "No Name"), "'No Name' is no name"),
        (("add", "churn"), "does not say which release is wanted"),
        (("end", "No"), "'No' is no name"),
    ],
)
def test_wrong_words(run: Run, words: tuple[str, ...], fact: str) -> None:
    result = run("consumer", "needs", *words)

    assert isinstance(result.exception, InvalidInput)
    assert fact in str(result.exception)


def test_the_consumer_of_another_name_needs_a_key_of_its_own(run: Run) -> None:
    result = run("consumer", "needs", "add", "churn@1.0.0", "--consumer", "billing")

    assert result.exit_code == 4
    assert "--consumer billing" in str(result.exception)
    assert document(run("admin", "needs", "list", "--json")) == {"stated": [], "unverified": []}


def test_the_producer_states_no_needs(run: Run) -> None:
    result = run("producer", "needs", "add", "churn@1.0.0", "--consumer", "api")

    assert result.exit_code == 4
    assert isinstance(run("producer", "needs", "add", "churn@1.0.0").exception, InvalidInput)


def test_what_nobody_vouches_for_is_listed_and_stops_promotions(run: Run, repos: Folders) -> None:
    """Whoever holds the consumer's access key can do this, and no more."""
    store = open_store(settings_in(repos.consumer / ".env"))
    store.put(layout.needs_key("stranger", "f" * 32), b"[red]junk[/]", WriteCondition.CREATE)

    listed = run("producer", "needs", "list")
    assert "not verified consumers/stranger/ffff" in listed.stdout
    (found,) = document(run("producer", "needs", "list", "--json"))["unverified"]
    assert (found["consumer"], found["kind"]) == ("stranger", "malformed")
    refused = run("producer", "check", "churn@2.0.0", "--to", "staging")
    assert refused.exit_code == GATE
    assert "unknown  stranger" in refused.stdout
    assert run("producer", "promote", "churn@2.0.0", "--to", "staging", "--break", "stranger").exit_code == 0


def test_a_check_that_fails_before_the_question_says_so(run: Run) -> None:
    result = run("producer", "check", "churn@2.0.0", "--contract-major", "1", "--to", "staging", "--json")

    assert isinstance(result.exception, Incompatible)
    assert "consumers" not in document(result)


def test_the_help_names_every_option(tmp_path: Path) -> None:
    for words in (["needs", "add"], ["needs", "list"], ["needs", "end"]):
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
