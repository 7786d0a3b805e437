"""The decoupling experiment: delete the model's file from the bucket, and see who notices."""

from __future__ import annotations

import json
from typing import Final

from edustream_lab.company import Company, Consumer
from edustream_lab.narrator import Narrator
from edustream_lab.processes import Program

NO_RELEASE: Final = 3
MODEL_FILE: Final = "model.onnx"


def delete_the_artifact(company: Company, narrator: Narrator) -> None:
    """Tell the experiment in a company whose registry runs and where `churn@production` is served by nobody yet.

    Raises `ClaimFailed` for a fact that is none, `ProgramFailed` for a program that misbehaves.
    """
    narrator.title("The decoupling experiment: delete the artifact")
    narrator.say(
        "Hypothesis: the API knows nothing of the training code. It lives on what was released into the bucket, and on "
        "nothing else. So taking the released file away must not disturb a consumer that has verified its copy, must "
        "stop a new one in a controlled way, and publishing again must heal what waits."
    )
    running = _publish_and_serve(company, narrator)
    key = _delete_the_file(company, narrator)
    _running_one_goes_on(narrator, running, company)
    _new_one_stops(company, narrator, key)
    waiting = _waiting_one_is_alive(company, narrator)
    _publishing_heals(company, narrator, waiting)
    narrator.step("What it teaches")
    narrator.say(
        "In a monorepo the API works because a file happens to lie next door. Here it works because somebody released "
        "something; when the release is gone it says so, in words and in an exit code, and it comes back by itself as "
        "soon as there is something to serve."
    )
    running.stop()
    waiting.stop()


def _publish_and_serve(company: Company, narrator: Narrator) -> Consumer:
    narrator.step("Publish and serve")
    if not company.keys("models/churn/releases/"):
        done = company.train()
        narrator.fact("The data scientist's command publishes and promotes a model.", done.returncode == 0, done.output)
    running = company.start_consumer(cache="cache-running")
    running.wait_until(lambda: running.state() == "READY", "READY")
    answer = running.predict(company.example_row())
    narrator.shows(answer.text)
    narrator.fact("The consumer is READY and answers a customer's row.", answer.status_code == 200, answer.text)
    return running


def _delete_the_file(company: Company, narrator: Narrator) -> str:
    narrator.step("Delete the model's file from the bucket, as the administrator")
    production = company.registry_json("show", "churn@production")
    file = next(file for file in production["manifest"]["content"]["files"] if file["name"] == MODEL_FILE)
    key = f"models/churn/files/{file['sha256']}/{MODEL_FILE}"
    company.s3().delete_object(Bucket=company.bucket, Key=key)
    narrator.shows(f"deleted s3://{company.bucket}/{key}")
    narrator.fact("The file is gone from the bucket.", key not in company.keys("models/churn/files/"))
    return key


def _running_one_goes_on(narrator: Narrator, running: Consumer, company: Company) -> None:
    narrator.step("Ask the consumer that runs, after it has looked at the registry again")
    # The first of two further looks may have been under way when the file was deleted.
    looks = running.polls() + 2
    running.wait_until(lambda: running.polls() >= looks, "polling")
    answer = running.predict(company.example_row())
    narrator.shows(answer.text)
    narrator.fact(
        "It goes on answering: it serves the copy that it verified when it started.",
        answer.status_code == 200 and running.state() == "READY",
        answer.text,
    )


def _new_one_stops(company: Company, narrator: Narrator, key: str) -> None:
    narrator.step("Start another consumer")
    stopped = company.serve_to_the_end(cache="cache-new")
    narrator.shows(stopped.output)
    narrator.fact(
        f"It stops in a controlled way, with exit code {NO_RELEASE}.", stopped.returncode == NO_RELEASE, stopped
    )
    narrator.fact("It names what is missing.", MODEL_FILE in stopped.output and key in stopped.output, stopped.output)
    narrator.fact("It says what to do next.", "publish the release again" in stopped.output, stopped.output)
    again = company.serve_to_the_end(cache="cache-running")
    narrator.fact(
        "A consumer that starts beside a verified copy obeys the deletion too: the same exit code.",
        again.returncode == NO_RELEASE,
        again,
    )


def _waiting_one_is_alive(company: Company, narrator: Narrator) -> Consumer:
    narrator.step("Start one that waits: serve_consume.py --wait")
    waiting = company.start_consumer("--wait", cache="cache-waiting")
    waiting.wait_until(lambda: waiting.state() == "NO_RELEASE", "NO_RELEASE")
    live, ready = waiting.get("/health/live"), waiting.get("/health/ready")
    refused = waiting.predict(company.example_row())
    narrator.shows(json.dumps(refused.json(), indent=2))
    narrator.fact(
        "It is alive but not ready (200 and 503), and refuses requests with the reason NO_RELEASE.",
        (live.status_code, ready.status_code, refused.status_code) == (200, 503, 503)
        and refused.json()["reason"] == "NO_RELEASE",
        refused.text,
    )
    return waiting


def _publishing_heals(company: Company, narrator: Narrator, waiting: Consumer) -> None:
    narrator.step("Publish again")
    done = company.train()
    narrator.shows("\n".join(done.output.splitlines()[-12:]))
    narrator.fact("The same training gives the same file, so the release is whole again.", done.returncode == 0, done)
    waiting.wait_until(lambda: waiting.state() == "READY", "READY")
    answer = waiting.predict(company.example_row())
    narrator.shows(answer.text)
    narrator.fact("The waiting consumer healed by itself: nobody restarted it.", answer.status_code == 200, answer.text)
    _still_runs(narrator, waiting.program)


def _still_runs(narrator: Narrator, program: Program) -> None:
    narrator.fact("It is the same process as before.", program.process.poll() is None)
