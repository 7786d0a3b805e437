"""The whole way from a configuration to a promoted release, one stage after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sklearn.pipeline import Pipeline

from edustream_contracts.contract import FILE_NAME, parse_contract
from edustream_contracts.errors import GateRefused
from edustream_ml.configuration import TrainingPlan
from edustream_ml.dataset import Dataset, load_dataset
from edustream_ml.evaluation import evaluate
from edustream_ml.features.dates import check_dates
from edustream_ml.gates.champion import NO_REGISTRY, Champion
from edustream_ml.gates.comparison import Rival
from edustream_ml.gates.constant import require_gates
from edustream_ml.gates.decision import Evidence, judge, named_columns, require_judged
from edustream_ml.gates.slices import categories
from edustream_ml.inspection.inspection import inspect_model
from edustream_ml.leakage.check import LeakageReport, check_leakage
from edustream_ml.onnx_export import export_onnx
from edustream_ml.onnx_scorer import OnnxScorer
from edustream_ml.parity import TOLERANCE, prove_parity
from edustream_ml.prerelease import CANDIDATE, candidate_version
from edustream_ml.progress import ProgressReport
from edustream_ml.release import obstacles, write_release
from edustream_ml.scores import answers
from edustream_ml.search.tuning import Searched, search
from edustream_ml.selection import CandidateScore, Split, best, cross_validate, fit, split
from edustream_ml.tensors import Tensors
from edustream_ml.training import Training, measured
from edustream_registry.inference.clean_process import prove_in_clean_process
from edustream_registry.manifest import ReleaseContent
from edustream_registry.promotion import Promoter, Promotion
from edustream_registry.publishing import Publication, PublicationStatus, Publisher
from edustream_registry.transfer_bar import transfer_bar
from edustream_registry.writing import Author

TRAINING_STAGES = 8
SEARCH_STAGES = 1
PUBLISHING_STAGES = 1


@dataclass(frozen=True, slots=True)
class Deployment:
    """What became of a release: where it is, and what the channel said to it.

    `promotion` is None when none was asked for, or when the channel had held this version before and moved on.
    """

    publication: Publication
    promotion: Promotion | None


@dataclass(frozen=True)
class Prepared:
    """The data set, checked and divided."""

    dataset: Dataset
    split: Split
    leakage: LeakageReport


@dataclass(frozen=True)
class Learned:
    """How every candidate did on the folds, the best one, and its pipeline, fitted on all training rows."""

    candidates: tuple[CandidateScore, ...]
    chosen: CandidateScore
    pipeline: Pipeline
    searched: Searched | None


def train(
    plan: TrainingPlan,
    report: ProgressReport,
    champion: Champion | Rival = NO_REGISTRY,
    *,
    refused_too: bool = False,
    search_directory: Path | None = None,
    search_trials: int | None = None,
) -> Training:
    """Load, choose, fit, evaluate, export and prove a model, and hold it against its gates.

    Args:
        plan: what to train.
        report: told about every stage.
        champion: the release that the model must be no worse than, or why there is none.
        refused_too: return a model that a gate refused too; its `gates` say which.
        search_directory: where a search for hyper-parameters keeps its state, to go on after it was ended.
        search_trials: exactly so many trials of it, whatever its budget; None for what the budget allows.

    Raises `InvalidInput` (kind `data`, or `configuration` for gates that are none) before any training, `GateRefused`
    (kind `onnx_parity`, or `threshold` with every gate that says no) after.
    """
    prepared = prepare(plan, report)
    learned = learn(plan, prepared.split.training, report, search_directory, search_trials)
    return assess(plan, prepared, learned, report, champion, refused_too=refused_too)


def prepare(plan: TrainingPlan, report: ProgressReport) -> Prepared:
    """Load the data set, check all of it, and set the held-out rows aside.

    Raises `InvalidInput` (kind `data`, or `configuration` for gates that are none).
    """
    report.stage("Checking the data set against the contract")
    dataset = load_dataset(plan)
    parts = split(dataset, plan)
    require_gates(plan, parts.training.labels)
    require_judged(plan, parts.held_out)
    report.note(f"{len(dataset)} rows, all valid; {len(parts.training)} to train on, {len(parts.held_out)} set aside")

    for name in dataset.constant:
        report.note(f"column {name} holds the same value in every row: nothing can be learned from it")
    for name in dataset.empty:
        report.note(f"column {name} has no value in any row: nothing can be learned from it")
    for sentence in check_dates(dataset.columns, [dates.column for dates in plan.configuration.features.dates]):
        report.note(sentence)

    leakage = check_leakage(parts.training, plan)
    report.note(leakage.line)
    return Prepared(dataset, parts, leakage)


def learn(
    plan: TrainingPlan,
    training: Dataset,
    report: ProgressReport,
    search_directory: Path | None = None,
    search_trials: int | None = None,
) -> Learned:
    """Choose a candidate by cross-validation and fit it; the held-out rows are not even given. See `train`."""
    searched = None
    if plan.configuration.search:
        report.stage("Searching hyper-parameters by cross-validation")
        searched = search(training, plan, plan.configuration.search, report, search_directory, search_trials)

    report.stage("Comparing the candidates by cross-validation")
    settings = plan.configuration.cross_validation
    scores = []
    for candidate in (*plan.configuration.candidates, *(searched.winners if searched else ())):
        folds = cross_validate(training, plan, candidate)
        tracked = report.track(folds, candidate.label, settings.folds * settings.repeats)
        score = CandidateScore(candidate, plan.task.selection_metric, tuple(tracked))
        scores.append(score)
        report.note(f"{candidate.label}: {score.metric} {score.mean:.4f} ± {score.std:.4f}")
    chosen = best(scores)

    report.stage(f"Fitting {chosen.candidate.label} on all training rows")
    return Learned(tuple(scores), chosen, fit(training, plan, chosen.candidate), searched)


def assess(
    plan: TrainingPlan,
    prepared: Prepared,
    learned: Learned,
    report: ProgressReport,
    champion: Champion | Rival = NO_REGISTRY,
    *,
    refused_too: bool = False,
) -> Training:
    """Evaluate, export and prove a fitted model, and hold it against its gates; see `train`."""
    dataset, parts, pipeline, chosen = prepared.dataset, prepared.split, learned.pipeline, learned.chosen

    report.stage("Evaluating once on the held-out rows")
    held_out_rows = Tensors.of_columns(parts.held_out.columns, plan.contract)
    held_out = answers(pipeline, held_out_rows.frame())
    evaluation = evaluate(plan, parts.held_out.labels, held_out)

    report.stage("Exporting to ONNX and comparing every row")
    onnx = export_onnx(pipeline, plan.contract)
    everything = Tensors.of_columns(dataset.columns, plan.contract)
    scorer = OnnxScorer(onnx)
    parity = prove_parity(answers(pipeline, everything.frame()), scorer.score(everything))
    report.note(
        f"{parity.rows} rows agree: {_agreed(plan)} by at most "
        f"{parity.largest_difference:.1e} (allowed: {TOLERANCE:.0e})"
    )

    report.stage("Holding the model against its gates")
    one_row = Tensors(plan.contract, held_out_rows.numeric[:1], held_out_rows.categorical[:1])
    evidence = Evidence(
        truth=parts.held_out.labels,
        answered=held_out,
        columns={name: categories(parts.held_out.values(name)) for name in named_columns(plan)},
        measured=measured(chosen, evaluation),
        onnx_bytes=len(onnx),
        answer_one_row=lambda: scorer.score(one_row),
        rival=champion.rival(plan, parts.held_out, onnx) if isinstance(champion, Champion) else champion,
    )
    gates = judge(plan, evidence)
    for row in gates.rows:
        report.note(row.line)
    if not refused_too:
        gates.require_kept()
    return Training(
        plan=plan,
        dataset=dataset,
        split=parts,
        candidates=learned.candidates,
        chosen=chosen,
        pipeline=pipeline,
        evaluation=evaluation,
        held_out_scores=held_out,
        inspection=inspect_model(plan, scorer.score, held_out_rows, parts.held_out.labels, held_out),
        onnx=onnx,
        parity=parity,
        gates=gates,
        leakage=prepared.leakage,
        searched=learned.searched,
    )


def _agreed(plan: TrainingPlan) -> str:
    if plan.task.is_classification:
        return "labels are equal, probabilities differ"
    return "numbers differ relatively"


def document(training: Training, directory: Path, repository: Path, report: ProgressReport) -> ReleaseContent:
    """Write the release's files into `directory`; see `write_release`."""
    report.stage("Writing golden vectors, profile, cards and plots")
    content = write_release(training, directory, repository)
    report.note(f"{len(content.files)} files in {directory}")
    for reason in obstacles(content, repository):
        report.note(f"nobody can rebuild this release: {reason}")
    return content


def prove(content: ReleaseContent, directory: Path, report: ProgressReport) -> None:
    """Replay the golden vectors of the written release as a consumer will: without a line of the training code.

    Raises `GateRefused` (kind `golden`) when the model answers otherwise than recorded, or cannot be run there.
    """
    report.stage("Replaying the golden vectors in a clean process")
    rows = prove_in_clean_process(content, directory)
    report.note(f"{rows} golden rows agree, without the training code")


def last_move(author: Author, model: str, channel: str) -> int:
    """How often a channel was moved so far."""
    entry = author.reader.last_entry(model, channel)
    return entry.statement.sequence if entry else 0


def deploy(
    author: Author,
    content: ReleaseContent,
    directory: Path,
    version: str,
    channel: str | None,
    report: ProgressReport,
    compared: int | None = None,
) -> Deployment:
    """Publish a release, and promote it to `channel` if it is new there.

    A version that the channel held before is not promoted again: somebody may have rolled it back on purpose.

    `version` may also be `auto`, or `candidate` for a prerelease. A release that a gate refused becomes a prerelease,
    whatever `version` says. A prerelease is promoted to the channel `candidate`, or to none where `channel` is None.

    `compared` is the channel's `last_move` when its release was read as the champion; None where `channel` is another.

    Raises `GateRefused` (kind `threshold`) where the channel moved since: the release is out then, and not promoted.
    """
    report.stage("Publishing")
    if version == CANDIDATE or not all(gate.kept for gate in content.gates or ()):
        contract = parse_contract((directory / FILE_NAME).read_bytes())
        version = candidate_version(author.reader, content, contract)
        channel = channel and CANDIDATE
    size = sum(file.size for file in content.files)
    with transfer_bar("      publishing", size) as progress:
        publication = Publisher(author).publish(content, directory, version, progress)
    # Said before the promotion, which may fail: the release is out all the same.
    report.note(f"{content.model}@{publication.manifest.version} is released ({publication.status.value})")
    promotion = None
    if channel and _may_move(author, publication, channel):
        _require_champion(author, publication, channel, compared)
        promoter = Promoter(author)
        promotion = promoter.promote(content.model, channel, publication.manifest.version, _reason(publication))
    return Deployment(publication, promotion)


def _require_champion(author: Author, publication: Publication, channel: str, compared: int | None) -> None:
    """Refuse to move a channel from a release that the model was not compared with."""
    content, version = publication.manifest.content, publication.manifest.version
    entry = author.reader.last_entry(content.model, channel)
    if compared is None or channel == CANDIDATE or entry is None or entry.statement.sequence == compared:
        return
    if entry.statement.version != version:
        raise GateRefused(
            "threshold",
            f"{content.model}@{channel} moved to {entry.statement.version} while {content.model}@{version} was "
            "trained, so they were not compared. The new one is published, and not promoted.",
            remedy="run the same command again: it compares with what is live now.",
        )


def _may_move(author: Author, publication: Publication, channel: str) -> bool:
    if publication.status is PublicationStatus.PUBLISHED:
        return True
    history = author.reader.history(publication.manifest.content.model, channel)
    versions = [entry.statement.version for entry in history]
    return publication.manifest.version not in versions[:-1] or versions[-1:] == [publication.manifest.version]


def _reason(publication: Publication) -> str:
    return f"{publication.status.value} by train_publish.py"
