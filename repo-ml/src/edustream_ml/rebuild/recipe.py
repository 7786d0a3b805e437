"""What a release's manifest says of how its model was made, as far as it takes to make it again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from edustream_contracts.errors import InvalidInput
from edustream_ml.configuration import PLAIN_NAME
from edustream_ml.libraries import PYTHON
from edustream_ml.provenance import NEIGHBOURS, UNKNOWN
from edustream_registry.manifest import DataSource, Manifest, ReleaseFile

PROGRAM: Final = "train_publish.py"
# A manifest is signed, and still no text of it is ever run: only these options are taken from its command.
_COMMAND: Final = re.compile(
    rf"python {re.escape(PROGRAM)} --config (?P<config>configs/{PLAIN_NAME.pattern})"
    rf"(?: --data (?P<data>data/{PLAIN_NAME.pattern}))?(?: --trials (?P<trials>[1-9][0-9]{{0,8}}))?"
)

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a release was made: code, configuration, environment and data, and the files that came out.

    `config` and `given_data` are relative to the producer's folder; `given_data` is None where the configuration named
    the data, `trials` where nothing was searched.
    """

    release: str
    commit: str
    config: str
    config_sha256: str
    given_data: str | None
    trials: int | None
    seed: int
    lock_sha256: str
    data: DataSource
    libraries: dict[str, str]
    files: tuple[ReleaseFile, ...]
    knows_refusals: bool

    @staticmethod
    def of(manifest: Manifest) -> Recipe:
        """Read a manifest.

        Raises `InvalidInput` (kind `reference`) where no commit holds the code, or the command is not understood.
        """
        content = manifest.content
        release = f"{content.model}@{manifest.version}"
        if content.code.commit == UNKNOWN:
            raise _not_to_be_rebuilt(release, "the manifest names no commit: it was trained outside git")
        if content.code.dirty:
            raise _not_to_be_rebuilt(
                release, f"it was trained with changes that are not in the commit {content.code.commit}"
            )
        if not _COMMIT.fullmatch(content.code.commit):
            raise _not_to_be_rebuilt(release, f"{content.code.commit!r} is no commit")
        match = _COMMAND.fullmatch(content.rebuild.command)
        if not match:
            raise _not_to_be_rebuilt(release, f"its command is not understood: {content.rebuild.command!r}")
        return Recipe(
            release=release,
            commit=content.code.commit,
            config=match["config"],
            config_sha256=content.rebuild.config_sha256,
            given_data=match["data"],
            trials=int(match["trials"]) if match["trials"] else None,
            seed=content.rebuild.seed,
            lock_sha256=content.rebuild.lock_sha256,
            data=content.data,
            libraries=dict(content.libraries),
            files=content.without_bundle().files,
            knows_refusals=content.gates is not None,
        )

    @property
    def python(self) -> str | None:
        """The version of the interpreter; None where the manifest does not say."""
        return self.libraries.get(PYTHON)

    @property
    def built_on(self) -> list[str]:
        """Contracts and registry client as pip's requirements: with a version where the commit does not hold them."""
        names = NEIGHBOURS.values()
        return [f"{name}=={self.libraries[name]}" if name in self.libraries else name for name in names]

    @property
    def options(self) -> list[str]:
        """The training's arguments: everything but publishing."""
        data = ["--data", self.given_data] if self.given_data else []
        trials = ["--trials", str(self.trials)] if self.trials else []
        # Whether it would be published today, on this machine, is another question than whether it is the same.
        refused = ["--publish-refused"] if self.knows_refusals else []
        return ["--config", self.config, *data, *trials, "--dry-run", *refused]


def _not_to_be_rebuilt(release: str, reason: str) -> InvalidInput:
    return InvalidInput(
        "reference",
        f"{release} cannot be rebuilt: {reason}.",
        remedy="publish from a clean checkout of a commit; edustream-registry show prints what a manifest records.",
    )
