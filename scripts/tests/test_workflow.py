"""The workflow belongs to the tree as a whole, as the Makefile does."""

from __future__ import annotations

import yaml

from edustream_lab.places import Checkout


def test_pull_requests_learn_with_full_history_what_they_break_in_the_contracts(checkout: Checkout) -> None:
    workflow = yaml.safe_load((checkout.root / ".github" / "workflows" / "ci.yml").read_text())
    job = workflow["jobs"]["contract-diff"]
    checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]

    assert job["if"] == "github.event_name == 'pull_request'"
    assert [step["with"]["fetch-depth"] for step in checkouts] == [0]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make contract-diff"]
