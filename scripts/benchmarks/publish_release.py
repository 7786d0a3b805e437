"""Times the publication of a release that was pulled before, as if all its files were new; prints the seconds.

Runs in the producer's environment. Every file gets bytes of its own, so that nothing is in the registry yet.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

import edustream_registry.openssf  # noqa: F401 - imports are not timed, as with MLflow
from edustream_registry.authorship import open_author
from edustream_registry.manifest import ReleaseContent, ReleaseFile
from edustream_registry.promotion import Promoter
from edustream_registry.publishing import Publisher
from edustream_registry.settings import RegistrySettings, with_env_file


def unlike_any(name: str) -> bytes:
    """What makes a file another one; a JSON document stays the same document."""
    number = uuid.uuid4()
    if name.endswith(".json"):
        return f"{number.int:0128b}".replace("0", " ").replace("1", "\t").encode()
    return number.bytes


source, env_file = Path(sys.argv[1]), Path(sys.argv[2])
pulled = json.loads((source / "manifest.json").read_bytes())["signed"]["content"]
with tempfile.TemporaryDirectory() as folder:
    for file in pulled["files"]:
        (Path(folder) / file["name"]).write_bytes((source / file["name"]).read_bytes() + unlike_any(file["name"]))
    files = tuple(ReleaseFile.of(Path(folder) / file["name"]) for file in pulled["files"])
    content = ReleaseContent.model_validate(pulled).model_copy(update={"files": files})
    began = time.perf_counter()
    author = open_author(RegistrySettings.from_environ(with_env_file({}, env_file)), "bench")
    done = Publisher(author).publish(content, Path(folder))
    Promoter(author).promote(content.model, "bench", done.manifest.version, "bench")
    took = time.perf_counter() - began
sys.stdout.write(f"{took}\n")
