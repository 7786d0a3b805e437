"""Races of real processes on SeaweedFS: one winner each, and every loser is told the truth."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import settings_in
from workers import CHANNEL, Outcome, Promote, Publish, Workers, author_in, workers

from edustream_registry.connection import open_reader
from edustream_registry.manifest import ReleaseContent
from edustream_registry.provisioning import Folders
from edustream_registry.reading import ReleaseReader

RACERS = 16
FEW = 6
FULL = 200
logger = logging.getLogger(__name__)

rounds = pytest.mark.parametrize("rounds", [FEW, pytest.param(FULL, marks=pytest.mark.prove)])


@pytest.fixture(scope="module")
def racers(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with workers(RACERS, folders.producer / ".env", tmp_path_factory.mktemp("racers"), gated=True) as running:
        yield running


@pytest.fixture
def reader(folders: Folders) -> ReleaseReader:
    return open_reader(settings_in(folders.consumer / ".env"))


@pytest.fixture
def model() -> str:
    return f"raced-{uuid.uuid4().hex[:8]}"


def winner_of(outcomes: list[Outcome], losers_hear: set[str]) -> tuple[int, Outcome]:
    winners = [(number, outcome) for number, outcome in enumerate(outcomes) if outcome.said == "published"]
    assert len(outcomes) == RACERS
    assert len(winners) == 1, outcomes
    assert {outcome.said for outcome in outcomes if outcome.said != "published"} <= losers_hear, outcomes
    return winners[0]


@rounds
def test_of_different_releases_under_one_version_one_is_published(
    racers: Workers, reader: ReleaseReader, content: ReleaseContent, model: str, rounds: int
) -> None:
    for number in range(rounds):
        version = f"1.{number}.0"

        outcomes = racers.all_do(Publish(content, model, version, f"{number} by {{}}"))

        winner, outcome = winner_of(outcomes, {"release_exists"})
        held = reader.manifest(model, version)
        assert held.digest == outcome.digest
        assert held.statement.published_by == f"writer {winner}"
        assert reader.read_file(model, held.statement.content.file("model.onnx")) == f"{number} by {winner}".encode()
        losers = [said.message for said in outcomes if said is not outcome]
        assert all(f"{model}@{version} was released by writer {winner} at " in message for message in losers)
    assert len(reader.versions(model)) == rounds


@rounds
def test_of_identical_releases_under_one_version_one_is_published_and_all_succeed(
    racers: Workers, reader: ReleaseReader, content: ReleaseContent, model: str, rounds: int
) -> None:
    for number in range(rounds):
        version = f"1.{number}.0"

        outcomes = racers.all_do(Publish(content, model, version, f"{number} by all"))

        winner, _ = winner_of(outcomes, {"identical", "restored"})
        held = reader.manifest(model, version)
        assert {outcome.digest for outcome in outcomes} == {held.digest}
        assert held.statement.published_by == f"writer {winner}"
        assert reader.read_file(model, held.statement.content.file("model.onnx")) == f"{number} by all".encode()
    assert len(reader.versions(model)) == rounds


@rounds
def test_of_those_who_append_to_one_channel_each_gets_a_place_of_its_own(
    racers: Workers,
    reader: ReleaseReader,
    content: ReleaseContent,
    folders: Folders,
    tmp_path: Path,
    model: str,
    rounds: int,
) -> None:
    producer = author_in(folders.producer / ".env", "producer")
    versions = [f"1.{number}.0" for number in range(2 * RACERS)]
    for version in versions:
        Publish(content, model, version, version).done(producer, tmp_path / version, 0)
    acknowledged: dict[int, str] = {}
    refused = 0
    for number in range(rounds):
        # No racer promotes what an earlier round may have left as the last entry: all of them have to append.
        half = versions[:RACERS] if number % 2 else versions[RACERS:]

        outcomes = racers.all_do(Promote(model, half))

        moved = {outcome.sequence: outcome.digest for outcome in outcomes if outcome.said == "moved"}
        refused += sum(outcome.said == "promotion_race" for outcome in outcomes)
        assert {outcome.said for outcome in outcomes} <= {"moved", "promotion_race"}, outcomes
        assert len(acknowledged) + 1 in moved
        assert not acknowledged.keys() & moved.keys()
        acknowledged |= moved
    log = reader.history(model, CHANNEL)
    assert {signed.statement.sequence: signed.digest for signed in log} == acknowledged
    assert len(acknowledged) + refused == rounds * RACERS
    logger.info("%d appended, %d told that others were first", len(acknowledged), refused)
