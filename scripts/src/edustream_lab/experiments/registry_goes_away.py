"""The registry goes away during traffic, for shorter and for longer than consumers bear to know nothing."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from typing import Final

from edustream_lab.company import POLL_INTERVAL_S, Company
from edustream_lab.exit_codes import ExitCode
from edustream_lab.experiment import Experiment
from edustream_lab.load import Load
from edustream_lab.monorepo import Monorepo
from edustream_lab.teller import Teller

SHORT_BUDGET_S: Final = 2


def tell(company: Company, teller: Teller) -> None:
    """Tell it in a company whose registry holds churn@1.0.0."""
    row = company.example_row()
    teller.step("consumers")
    monorepo = Monorepo.write(company)
    monorepo.train()
    patient = company.serving(cache="cache-patient")
    impatient = company.serving("--staleness-budget-s", str(SHORT_BUDGET_S), cache="cache-impatient")
    budgets = [consumer.get("/health").json()["staleness_budget_s"] for consumer in (patient, impatient)]
    teller.fact("budgets", budgets == [24 * 3600, SHORT_BUDGET_S], budgets, hours=24, seconds=SHORT_BUDGET_S)
    before = patient.predict(row).json()

    teller.step("outage")
    port = company.registry_port
    with ExitStack() as traffic:
        load = traffic.enter_context(Load(patient.url, row))
        refused = traffic.enter_context(Load(impatient.url, row))
        patient.wait_until(lambda: load.statuses[200] > 0 and refused.statuses[200] > 0, "answering beside the other")
        company.stop_registry()
        patient.wait_until(lambda: patient.state() == "DEGRADED", "DEGRADED")
        answer = patient.predict(row)
        teller.fact("degraded", answer.status_code == 200 and answer.json() == before, answer.text)
        impatient.wait_until(lambda: impatient.state() == "UNREACHABLE", "UNREACHABLE")
        answer = impatient.predict(row)
        teller.shows(answer.text)
        teller.fact("refuses", answer.status_code == 503 and answer.json()["reason"] == "UNREACHABLE", answer.text)
        # Requests follow one another: after the first refusal none is under way that began within the budget.
        impatient.wait_until(lambda: refused.statuses[503] > 0, "refusing requests")
        spent = Counter(refused.statuses)

        teller.step("new-consumers")
        blind = company.serve_to_the_end(cache="cache-blind")
        teller.shows(blind.words)
        teller.fact("blind-stops", blind.returncode == ExitCode.UNREACHABLE, blind, code=ExitCode.UNREACHABLE)
        restarted = company.start_consumer(cache="cache-patient")
        restarted.wait_until(lambda: restarted.state() == "DEGRADED", "DEGRADED")
        answer = restarted.predict(row)
        teller.fact("copy-serves", answer.status_code == 200 and answer.json() == before, answer.text)
        restarted.stop()
        trained = company.train()
        teller.fact("producer-stops", trained.returncode == ExitCode.UNREACHABLE, trained, code=ExitCode.UNREACHABLE)
        api = monorepo.start_api()
        api.wait()
        probability = api.answer(row)
        teller.fact("monorepo-starts", probability is not None, api.program.output)
        api.program.stop()
        beyond = refused.statuses - spent

        teller.step("back")
        began = time.monotonic()
        company.start_registry(port)
        patient.wait_until(lambda: patient.state() == "READY", "READY")
        impatient.wait_until(lambda: impatient.state() == "READY", "READY")
        answered = refused.statuses[200]
        impatient.wait_until(lambda: refused.statuses[200] > answered, "answering again")
        recovery_s = time.monotonic() - began
    running = patient.program.process.poll() is None and impatient.program.process.poll() is None
    teller.fact("healed", running)
    poll_ms = int(1000 * float(POLL_INTERVAL_S))
    teller.fact("recovers", set(refused.statuses) == {200, 503}, outage_recovery_s=recovery_s, poll_ms=poll_ms)
    share = round(100 * load.failed / load.statuses.total())
    teller.fact("nothing-lost", load.failed == 0, load.statuses, outage_failed_within_budget_percent=share)
    only = round(100 * beyond[503] / beyond.total())
    teller.fact("refused-openly", set(beyond) == {503}, beyond, outage_refused_beyond_budget_percent=only)
    teller.measured("outage_recovery_s", recovery_s)
    teller.measured("outage_failed_within_budget_percent", share)
    teller.measured("outage_refused_beyond_budget_percent", only)
    patient.stop()
    impatient.stop()


EXPERIMENT: Final = Experiment("registry-goes-away", tell)
