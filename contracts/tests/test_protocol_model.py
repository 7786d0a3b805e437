"""Every state of the protocol's model is visited, and every way to break the protocol is found."""

from __future__ import annotations

import pytest
from protocol_model import Variant, explore, scenarios

NAMES = list(scenarios(0, 0))


@pytest.mark.parametrize(
    ("name", "states", "transitions"), [(NAMES[0], 11740, 25848), (NAMES[1], 19616, 56994), (NAMES[2], 19616, 56994)]
)
def test_every_interleaving_keeps_every_promise(name: str, states: int, transitions: int) -> None:
    found = explore(scenarios(crashes=0, losses=0, rounds=1)[name])

    assert found.broken is None
    assert (found.states, found.transitions) == (states, transitions)


def test_every_process_reaches_what_it_set_out_for() -> None:
    found = explore(scenarios(crashes=0, losses=0, rounds=1)["different content, version auto"])

    assert ("published", "published", "moved", "moved", "read") in found.outcomes
    assert not {outcome for outcomes in found.outcomes for outcome in outcomes} & {"unknown", "failed", "crashed"}


@pytest.mark.parametrize(
    ("variant", "losses", "promise"),
    [
        (Variant.MANIFEST_FIRST, 0, "an incomplete release is visible"),
        (Variant.POINTER, 0, "two promotions were acknowledged under one sequence"),
        (Variant.NO_READBACK, 1, "a write that was given up is visible"),
        (Variant.OVERWRITE, 0, "a version changed its content"),
        (Variant.SILENCE_IS_FAILURE, 1, "what was acknowledged as failed is visible"),
        (Variant.TRUSTED_HINT, 0, "a process found that the registry went back"),
        (Variant.UNLINKED, 0, "the log has a gap or a broken link"),
    ],
)
def test_a_broken_protocol_is_found_out(variant: Variant, losses: int, promise: str) -> None:
    assert explore(scenarios(0, losses, variant)["different content, version auto"]).broken == promise


@pytest.mark.prove
@pytest.mark.parametrize(
    ("name", "states", "transitions", "ends"),
    [(NAMES[0], 58416, 178454, 2096), (NAMES[1], 104360, 404392, 528), (NAMES[2], 93476, 380560, 428)],
)
def test_every_interleaving_with_a_crash_keeps_every_promise(
    name: str, states: int, transitions: int, ends: int
) -> None:
    """spec/README.md prints these counts."""
    found = explore(scenarios(crashes=1, losses=0)[name])

    assert found.broken is None
    assert (found.states, found.transitions, found.ends) == (states, transitions, ends)


@pytest.mark.prove
@pytest.mark.parametrize("name", NAMES)
def test_every_interleaving_with_a_crash_and_a_lost_message_keeps_every_promise(name: str) -> None:
    assert explore(scenarios(crashes=1, losses=1)[name]).broken is None
