"""Publish a release: files first, the manifest last. A release exists if and only if its manifest does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from edustream_contracts.contract import FILE_NAME, MAX_BYTES, ModelContract, parse_contract
from edustream_contracts.errors import Conflict, InvalidInput, NothingToServe
from edustream_registry import layout
from edustream_registry.announcement import require_registry
from edustream_registry.bundle import Bundler, bundled, openssf_bundle
from edustream_registry.creation import Landing
from edustream_registry.downloading import Progress, no_progress
from edustream_registry.manifest import Manifest, ReleaseContent
from edustream_registry.names import model_name, parse_version
from edustream_registry.placement import FilePlacement
from edustream_registry.precedents import Precedents
from edustream_registry.released_contracts import ReleasedContracts
from edustream_registry.sending import SourceFile
from edustream_registry.statement import Signed
from edustream_registry.versioning import Numbering, Verdicts, check_version, next_version, taken
from edustream_registry.writing import Author, create

AUTO: Final = "auto"
ATTEMPTS: Final = 8
MAX_WAIT_S: Final = 0.5
PATIENCE_S: Final = 60.0
LARGE_BYTES: Final = 8 * 1024 * 1024


class PublicationStatus(Enum):
    """What `Publisher.publish` found and did."""

    PUBLISHED = "published"
    """The release is new."""
    IDENTICAL = "identical"
    """The same release is there, published before or by somebody else at the same moment; its files are whole."""
    RESTORED = "restored"
    """The same release was there already, but some of its files were missing or damaged; they are right again."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A release as it now stands in the registry; `why` says why a new one has its number."""

    status: PublicationStatus
    release: Signed[Manifest]
    location: str
    why: str = ""

    @property
    def manifest(self) -> Manifest:
        """The release's manifest."""
        return self.release.statement


class _VersionTaken(Exception):
    """Another publisher took the version that was computed; compute it again."""


class Publisher:
    """Publishes releases in the name of one author."""

    def __init__(
        self, author: Author, patience_s: float = PATIENCE_S, bundler: Bundler | None = openssf_bundle
    ) -> None:
        """Prepare to publish.

        Args:
            author: in whose name.
            patience_s: how long to wait for a collection of orphans to end, in seconds.
            bundler: makes the bundle that every release carries; None makes releases without one, which the protocol
                admits for publishers that have no such library.
        """
        self._author = author
        self._bundler = bundler
        self._files = FilePlacement(author.store, patience_s)

    def publish(
        self, content: ReleaseContent, directory: Path, version: str = AUTO, progress: Progress = no_progress
    ) -> Publication:
        """Publish the files in `directory` as a release.

        Args:
            content: what the release is; its `files` must lie in `directory` with the stated digests. The bundle is
                added to them. A file above `LARGE_BYTES` is hashed while it is sent, and refused before it lands; one
                that the registry holds already is not read.
            directory: the folder with the files.
            version: a semantic version, or `auto` for the next one (see `next_version`).
            progress: told how many bytes were sent, or found to be in the registry, from time to time.

        Raises:
            InvalidInput: a file is missing or differs from `content`, or the version is none; kind `contract`, its
                contract.json is missing, is no contract of the profile, or is not the one that `content` states.
            GateRefused: kind `version`, the stated version says less than the contract does (see `check_version`), or
                nothing can be said, since the contract of a release cannot be read.
            Conflict: kind `release_exists`, the version holds something different; kind `collection`, an administrator
                is deleting orphans of the model.
            OutcomeUnknown: no reply came to the write of the manifest; publish again to learn what happened.
            Unreachable: the registry cannot be used; no release became visible.
        """
        model_name(content.model)
        require_registry(self._author.store)
        if self._bundler is not None:
            content = content.without_bundle()
        _check_names(content)
        _check_directory(content, directory)
        verdicts = Verdicts(ReleasedContracts(self._author.reader), _contract(content, directory))
        if self._bundler is None:
            return self._publish(verdicts, content, directory, version, progress)
        with bundled(content, directory, self._bundler(content, self._author.signer)) as (whole, staged):
            return self._publish(verdicts, whole, staged, version, progress)

    def _publish(
        self, verdicts: Verdicts, content: ReleaseContent, directory: Path, version: str, progress: Progress
    ) -> Publication:
        if version != AUTO:
            return self._publish_exactly(str(parse_version(version)), verdicts, content, directory, progress)
        retrying = Retrying(
            retry=retry_if_exception_type(_VersionTaken),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.01, max=MAX_WAIT_S),
        )
        try:
            return retrying(self._publish_next, verdicts, content, directory, progress)
        except RetryError as error:
            raise Conflict(
                "release_exists",
                f"Other publishers of {content.model} took {ATTEMPTS} computed versions in a row.",
                remedy="publish again when fewer publish at once.",
            ) from error

    def _publish_next(
        self, verdicts: Verdicts, content: ReleaseContent, directory: Path, progress: Progress
    ) -> Publication:
        precedents = Precedents(self._author.reader, content.model)
        same = precedents.same_as(content)
        if same:
            return self._same(same, directory, progress)
        numbering = next_version(precedents, verdicts)
        try:
            return self._publish_as(numbering, content, directory, progress)
        except Conflict as error:
            if error.kind != "release_exists":
                raise
            raise _VersionTaken(numbering.number) from error

    def _publish_exactly(
        self, version: str, verdicts: Verdicts, content: ReleaseContent, directory: Path, progress: Progress
    ) -> Publication:
        released = self._released(content.model, version)
        if released and not self._yanked(released.statement):
            _refuse_other_content(released.statement, content)
            return self._same(released, directory, progress)
        self._refuse_yanked(content.model, version)
        numbering = check_version(parse_version(version), Precedents(self._author.reader, content.model), verdicts)
        return self._publish_as(numbering, content, directory, progress)

    def _publish_as(
        self, numbering: Numbering, content: ReleaseContent, directory: Path, progress: Progress
    ) -> Publication:
        author, version = self._author, str(numbering.number)
        self._refuse_yanked(content.model, version)
        self._files.place(content, directory, progress)
        manifest = Manifest(
            version=version,
            content=content,
            published_at=author.now(),
            published_by=author.who,
            write_id=author.write_id(),
        )
        landing, found = create(author, layout.manifest_key(content.model, version), manifest)
        if landing is Landing.MINE:
            return self._publication(PublicationStatus.PUBLISHED, found, numbering.why)
        _refuse_other_content(found.statement, content)
        return self._publication(PublicationStatus.IDENTICAL, found)

    def _released(self, model: str, version: str) -> Signed[Manifest] | None:
        try:
            return self._author.reader.manifest(model, version)
        except NothingToServe:
            return None

    def _same(self, release: Signed[Manifest], directory: Path, progress: Progress) -> Publication:
        restored = self._files.restore(release.statement.content, directory, progress)
        return self._publication(PublicationStatus.RESTORED if restored else PublicationStatus.IDENTICAL, release)

    def _yanked(self, manifest: Manifest) -> bool:
        return self._author.reader.tombstone(manifest.content.model, manifest.version) is not None

    def _refuse_yanked(self, model: str, version: str) -> None:
        if self._author.reader.tombstone(model, version):
            raise Conflict(
                "release_exists",
                f"{model}@{version} was yanked; a number is never used again.",
                remedy="publish under another version, or with --version auto.",
            )

    def _publication(self, status: PublicationStatus, release: Signed[Manifest], why: str = "") -> Publication:
        manifest = release.statement
        key = layout.manifest_key(manifest.content.model, manifest.version)
        return Publication(status, release, f"{self._author.store.url}/{key}", why)


def _contract(content: ReleaseContent, directory: Path) -> ModelContract:
    """The contract among the files of what is to be published."""
    if FILE_NAME not in {file.name for file in content.files}:
        raise _other_contract(content, f"has no {FILE_NAME}")
    with (directory / FILE_NAME).open("rb") as file:
        contract = parse_contract(file.read(MAX_BYTES + 1))
    if contract.digest != content.contract_digest:
        raise _other_contract(content, f"holds the contract {contract.digest} in {FILE_NAME}")
    if contract.model != content.model:
        raise _other_contract(content, f"holds a {FILE_NAME} that is about the model {contract.model}")
    return contract


def _other_contract(content: ReleaseContent, how: str) -> InvalidInput:
    return InvalidInput(
        "contract",
        f"The release of {content.model} states the contract {content.contract_digest}, but {how}.",
        remedy="export the release again, with the contract that the model was trained for.",
    )


def _refuse_other_content(released: Manifest, content: ReleaseContent) -> None:
    if released.content.identity != content.identity:
        raise taken(released, "different content")


def _check_names(content: ReleaseContent) -> None:
    problems = content.name_problems()
    if problems:
        raise InvalidInput(
            "argument",
            f"The release of {content.model} cannot be written as files.",
            remedy="give every file a name of its own.",
            problems=problems,
        )


def _check_directory(content: ReleaseContent, directory: Path) -> None:
    for file in content.files:
        path = directory / file.name
        if not path.is_file():
            raise InvalidInput(
                "data",
                f"The release names {file.name}, which is not in {directory}.",
                remedy="export the release again.",
            )
        size = path.stat().st_size
        if size != file.size:
            raise InvalidInput(
                "data",
                f"{path} has {size} bytes; the release states {file.size}.",
                remedy="export the release again; the file changed after it was described.",
            )
        if size <= LARGE_BYTES:
            with SourceFile(path, file.sha256).open("rb") as source:
                source.read()
