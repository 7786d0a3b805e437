"""The whole story, end to end: every promise that the two teams make each other, checked from outside."""

from __future__ import annotations

import itertools
from typing import Any, Final

from botocore.exceptions import ClientError

from edustream_lab.company import Company, Consumer
from edustream_lab.exit_codes import ExitCode
from edustream_lab.load import Load
from edustream_lab.narrator import Narrator
from edustream_lab.problems import four_problems

JSON_PROBLEM: Final = "application/problem+json"


class Story:
    """Chapters that follow one another in one company; each can rely on what the one before left."""

    def __init__(self, company: Company, narrator: Narrator) -> None:
        self._company = company
        self._narrator = narrator
        self._row = company.example_row()
        self._seeds = itertools.count(1)

    def tell(self) -> None:
        """All chapters. Raises `ClaimFailed` at the first claim that does not hold."""
        narrator = self._narrator
        narrator.title("The hand-off, end to end")
        registry = self._company.start_registry()
        self.rights()
        self.first_release()
        self.nothing_new()
        consumer = self._company.start_consumer()
        consumer.wait_until(lambda: consumer.state() == "READY", "READY")
        self.requests(consumer)
        self.swap_under_load(consumer)
        self.rollback(consumer)
        self.damaged_release(consumer)
        self.outage(consumer, registry.stop)
        self.yank(consumer)
        narrator.fact("The consumer ends in order when it is asked to.", consumer.stop() == 0)
        four_problems(self._company, narrator)

    def rights(self) -> None:
        """The store itself refuses what the users may not do."""
        self._narrator.step("Who may do what, as the store sees it")
        bucket = self._company.bucket
        consumer, producer = self._company.s3("repo-api"), self._company.s3("repo-ml")
        refused = _refusal(lambda: consumer.put_object(Bucket=bucket, Key="models/churn/intruder", Body=b"x"))
        self._narrator.fact("The store refuses a consumer's write of a release.", refused == "AccessDenied", refused)
        for who, client in (("producer", producer), ("consumer", consumer)):
            refused = _refusal(lambda client=client: client.delete_object(Bucket=bucket, Key="registry.json"))
            self._narrator.fact(f"The store refuses the {who}'s delete.", refused == "AccessDenied", refused)

    def first_release(self) -> None:
        """Training publishes and promotes."""
        self._narrator.step("The first release")
        early = self._company.serve_to_the_end(cache="cache-early")
        self._narrator.fact(
            "Before any release a consumer stops with exit code 3.",
            early.returncode == ExitCode.NOTHING_TO_SERVE,
            early,
        )
        done = self._train(next(self._seeds))
        self._narrator.shows("\n".join(done.splitlines()[-10:]))
        self._narrator.fact("Training ends with DEPLOY SUCCESSFUL.", "DEPLOY SUCCESSFUL" in done, done)
        self._narrator.fact("The channel production points at 1.0.0.", self._promoted() == "1.0.0", self._promoted())
        checked = self._company.registry("check", "churn@production")
        self._narrator.fact("Every signature and digest of the release is right.", checked.returncode == 0, checked)

    def nothing_new(self) -> None:
        """The same inputs give the same bytes, and no second release."""
        self._narrator.step("The same training again")
        before = self._company.keys("models/")
        done = self._train(1)
        self._narrator.fact("It says that nothing new was to be published.", "nothing new" in done.lower(), done)
        self._narrator.fact(
            "Not one object was added: the model is the same, byte for byte.", self._company.keys("models/") == before
        )

    def requests(self, consumer: Consumer) -> None:
        """Good requests are answered, bad ones are told why."""
        self._narrator.step("Requests, good and bad")
        answer = consumer.predict(self._row)
        self._narrator.fact("A valid row is answered.", answer.status_code == 200, answer.text)
        wrong = {**self._row, "tenure": -1, "contract": "weekly", "colour": "red"}
        del wrong["female"]
        refused = consumer.predict(wrong)
        named = {problem["pointer"] for problem in refused.json()["errors"]}
        self._narrator.fact(
            "A wrong row gets a 422 problem that names all four fields.",
            refused.status_code == 422 and {"/tenure", "/contract", "/colour", "/female"} <= named,
            refused.text,
        )
        self._narrator.fact(
            "It is an RFC 9457 problem.", refused.headers["content-type"] == JSON_PROBLEM, refused.headers
        )

    def swap_under_load(self, consumer: Consumer) -> None:
        """A new promotion is picked up without a failed request."""
        self._narrator.step("A new release while requests keep coming")
        with Load(consumer.url, self._row) as load:
            done = self._train(next(self._seeds))
            self._narrator.fact("A retraining publishes 1.0.1.", self._promoted() == "1.0.1", done)
            consumer.wait_until(lambda: consumer.version() == "1.0.1", "swapped to 1.0.1")
            served = load.versions["1.0.1"]
            consumer.wait_until(lambda: load.versions["1.0.1"] > served, "answering from 1.0.1")
        self._narrator.fact(
            f"{load.statuses[200]} requests, none failed, answered by 1.0.0 and then by 1.0.1.",
            set(load.statuses) == {200} and set(load.versions) == {"1.0.0", "1.0.1"},
            (load.statuses, load.versions),
        )

    def rollback(self, consumer: Consumer) -> None:
        """One command takes the channel back."""
        self._narrator.step("Roll back")
        done = self._company.registry("rollback", "churn@production", "--reason", "the new one annoys customers")
        self._narrator.shows(done.output)
        consumer.wait_until(lambda: consumer.version() == "1.0.0", "back at 1.0.0")
        self._narrator.fact("The consumer is back at 1.0.0; nobody restarted it.", consumer.state() == "READY")

    def damaged_release(self, consumer: Consumer) -> None:
        """One changed byte, and nobody serves it."""
        self._narrator.step("A release with one changed byte")
        self._train(next(self._seeds), "--no-promote")
        key = self._company.file_key("1.0.2", "model.onnx")
        body = bytearray(self._company.read(key))
        body[len(body) // 2] ^= 1
        self._company.write(key, bytes(body))
        promoted = self._company.registry("promote", "churn@1.0.2", "--to", "production")
        self._narrator.fact(
            "The administrator changes a byte of 1.0.2, and it is promoted.", promoted.returncode == 0, promoted
        )
        consumer.wait_until(lambda: self._refused(consumer), "refusing 1.0.2")
        self._narrator.fact(
            "The running consumer refuses it, reports it, and goes on with 1.0.0.",
            consumer.state() == "READY" and consumer.version() == "1.0.0",
            consumer.get("/health").text,
        )
        fresh = self._company.serve_to_the_end(cache="cache-fresh")
        self._narrator.fact("A new consumer stops with exit code 4.", fresh.returncode == ExitCode.REJECTED, fresh)
        self._company.registry("rollback", "churn@production", "--reason", "1.0.2 is damaged", "--to-version", "1.0.1")
        consumer.wait_until(lambda: consumer.version() == "1.0.1", "at 1.0.1")

    def outage(self, consumer: Consumer, stop_registry: Any) -> None:
        """The registry goes away and comes back."""
        self._narrator.step("The registry goes away")
        port = self._company.registry_port
        stop_registry()
        consumer.wait_until(lambda: consumer.state() == "DEGRADED", "DEGRADED")
        answer = consumer.predict(self._row)
        self._narrator.fact("The consumer is DEGRADED and goes on answering.", answer.status_code == 200, answer.text)
        blind = self._company.serve_to_the_end(cache="cache-blind")
        self._narrator.fact(
            "A new consumer without a copy stops with exit code 6 and says how to start a registry.",
            blind.returncode == ExitCode.UNREACHABLE and "make registry" in blind.output,
            blind,
        )
        again = self._company.start_consumer()
        again.wait_until(lambda: again.state() == "DEGRADED", "DEGRADED")
        answer = again.predict(self._row)
        self._narrator.fact("A new consumer with a verified copy serves it.", answer.status_code == 200, answer.text)
        again.stop()
        trained = self._company.train("--config", str(self._company.quick_config(1)))
        self._narrator.fact(
            "The producer stops with exit code 6 before it trains.", trained.returncode == ExitCode.UNREACHABLE, trained
        )
        self._company.start_registry(port)
        consumer.wait_until(lambda: consumer.state() == "READY", "READY again")
        self._narrator.fact(
            "The registry is back with its data, and the consumer is READY by itself.", consumer.version() == "1.0.1"
        )

    def yank(self, consumer: Consumer) -> None:
        """A yank is obeyed while running."""
        self._narrator.step("Yank what is being served")
        self._company.registry("yank", "churn@1.0.1", "--reason", "trained on the wrong month")
        consumer.wait_until(lambda: consumer.state() == "NO_RELEASE", "NO_RELEASE")
        refused = consumer.predict(self._row)
        self._narrator.fact(
            "The consumer stops answering with it: 503, reason NO_RELEASE.",
            refused.status_code == 503 and refused.json()["reason"] == "NO_RELEASE",
            refused.text,
        )
        self._company.registry("promote", "churn@1.0.0", "--to", "production", "--reason", "the last good one")
        consumer.wait_until(lambda: consumer.state() == "READY", "READY")
        self._narrator.fact("A promotion of 1.0.0 brings it back.", consumer.version() == "1.0.0", consumer.version())

    def _train(self, seed: int, *arguments: str) -> str:
        done = self._company.train("--config", str(self._company.quick_config(seed)), *arguments)
        self._narrator.fact(f"The training with seed {seed} ends well.", done.returncode == 0, done)
        return done.output

    def _promoted(self) -> str:
        return str(self._company.registry_json("resolve", "churn@production")["version"])

    def _refused(self, consumer: Consumer) -> bool:
        return "1.0.2" in consumer.get("/health").text or "digest" in consumer.get("/health").text


def _refusal(call: Any) -> str | None:
    """The error code with which the store refuses a call; None where it does not."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None
