"""Publishes what a folder holds as a release, without any training; runs in the registry's environment."""

from __future__ import annotations

import sys
from pathlib import Path

from edustream_contracts.errors import EduStreamError
from edustream_contracts.exit_codes import exit_code
from edustream_registry.authorship import open_author
from edustream_registry.manifest import ReleaseContent
from edustream_registry.publishing import Publisher
from edustream_registry.settings import RegistrySettings, with_env_file


def upload(content: ReleaseContent, folder: Path, env_file: Path, version: str, who: str) -> int:
    """Publish `folder`, which holds what `content` says, with the keys of `env_file`; tell the end, return its code."""
    try:
        author = open_author(RegistrySettings.from_environ(with_env_file({}, env_file)), who)
        done = Publisher(author, bundler=None).publish(content, folder, version)
    except EduStreamError as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)
    sys.stdout.write(f"{done.status.value} {done.manifest.version}: {done.why}\n")
    return 0
