"""Puts the OpenSSF Model Signing bundle beside the files of a release that is to be published."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from edustream_contracts.errors import Conflict, InvalidInput
from edustream_registry.manifest import BUNDLE_FILE, ReleaseContent, ReleaseFile
from edustream_registry.names import file_name
from edustream_registry.signing import Signer

Bundler = Callable[[ReleaseContent, Signer], bytes]
"""Makes the bytes of a bundle over a release's files, signed with one key."""


def openssf_bundle(content: ReleaseContent, signer: Signer) -> bytes:
    """The OpenSSF Model Signing bundle over the files of `content`; the same bytes for the same files and key.

    Raises `InvalidInput` (kind `configuration`) where the library model-signing is not installed.
    """
    try:
        # Importing the library takes a third of a second, and readers do not have it.
        openssf = import_module("edustream_registry.openssf")
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "configuration",
            f"The release cannot be signed for OpenSSF: the module {error.name} is not installed.",
            remedy='install what publishers need: pip install "edustream-registry[publishing]".',
        ) from error
    made: bytes = openssf.sign_bundle(content, signer)
    return made


@contextmanager
def bundled(content: ReleaseContent, directory: Path, bundle: bytes) -> Iterator[tuple[ReleaseContent, Path]]:
    """`content` with a bundle as its last file, and a folder in which all of its files lie.

    `directory` stays as it is. A bundle that `content` names already is replaced.
    """
    with tempfile.TemporaryDirectory() as temporary:
        staged = Path(temporary)
        for file in content.without_bundle().files:
            (staged / file_name(file.name)).symlink_to((directory / file.name).resolve())
        (staged / BUNDLE_FILE).write_bytes(bundle)
        files = (*content.without_bundle().files, ReleaseFile.of(staged / BUNDLE_FILE))
        yield content.model_copy(update={"files": files}), staged


def refuse_other_bundle(content: ReleaseContent, file: ReleaseFile, directory: Path) -> None:
    """Raise `Conflict` if `file` is a bundle that the one in `directory` cannot stand in for: another key made it."""
    if file.name == BUNDLE_FILE and ReleaseFile.of(directory / BUNDLE_FILE).sha256 != file.sha256:
        raise Conflict(
            "release_exists",
            f"The release of {content.model} lacks its bundle {BUNDLE_FILE}, which only its own key can make again.",
            remedy="publish again with that key, or yank the release and publish it under another version.",
        )
