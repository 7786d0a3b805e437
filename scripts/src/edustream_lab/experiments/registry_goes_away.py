"""The registry goes away during traffic, for shorter and for longer than consumers bear to know nothing."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Final

from edustream_lab.company import Company
from edustream_lab.experiment import Experiment
from edustream_lab.load import Load
from edustream_lab.teller import Teller

UNREACHABLE: Final = 6
SHORT_BUDGET_S: Final = 2


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    row = company.example_row()
    teller.step("consumers")
    patient = company.serving(cache="cache-patient")
    impatient = company.serving("--staleness-budget-s", str(SHORT_BUDGET_S), cache="cache-impatient")
    budget = patient.get("/health").json()["staleness_budget_s"]
    teller.fact("budgets", budget == 86400, budget, hours=24, seconds=SHORT_BUDGET_S)

    teller.step("outage")
    port = company.registry_port
    with ExitStack() as traffic:
        load = traffic.enter_context(Load(patient.url, row))
        refused = traffic.enter_context(Load(impatient.url, row))
        patient.wait_until(lambda: load.statuses[200] > 0 and refused.statuses[200] > 0, "answering beside the other")
        company.stop_registry()
        began = time.monotonic()
        patient.wait_until(lambda: patient.state() == "DEGRADED", "DEGRADED")
        teller.fact("degraded", patient.predict(row).status_code == 200)
        impatient.wait_until(lambda: impatient.state() == "UNREACHABLE", "UNREACHABLE")
        answer = impatient.predict(row)
        teller.shows(answer.text)
        teller.fact("refuses", answer.status_code == 503 and answer.json()["reason"] == "UNREACHABLE", answer.text)

        teller.step("new-consumers")
        blind = company.serve_to_the_end(cache="cache-blind")
        teller.shows(blind.words)
        teller.fact("blind-stops", blind.returncode == UNREACHABLE, blind, code=UNREACHABLE)
        restarted = company.start_consumer(cache="cache-patient")
        restarted.wait_until(lambda: restarted.state() == "DEGRADED", "DEGRADED")
        answer = restarted.predict(row)
        teller.fact("copy-serves", answer.status_code == 200, answer.text)
        restarted.stop()
        trained = company.train()
        teller.fact("producer-stops", trained.returncode == UNREACHABLE, trained, code=UNREACHABLE)

        teller.step("back")
        company.start_registry(port)
        back = time.monotonic()
        patient.wait_until(lambda: patient.state() == "READY", "READY")
        impatient.wait_until(lambda: impatient.state() == "READY", "READY")
        answered = refused.statuses[200]
        impatient.wait_until(lambda: refused.statuses[200] > answered, "answering again")
    running = patient.program.process.poll() is None and impatient.program.process.poll() is None
    teller.fact("healed", running)
    teller.fact("nothing-lost", load.failed == 0, load.statuses, requests=load.statuses[200], seconds=back - began)
    only_refused = set(refused.statuses) == {200, 503}
    teller.fact(
        "refused-openly", only_refused, refused.statuses, refused=refused.failed, answered=refused.statuses[200]
    )
    teller.measured("outage_s", back - began)
    teller.measured("outage_requests_failed_within_budget", load.failed)
    teller.measured("outage_requests_refused_beyond_budget", refused.failed)
    patient.stop()
    impatient.stop()


EXPERIMENT: Final = Experiment("registry-goes-away", tell)
