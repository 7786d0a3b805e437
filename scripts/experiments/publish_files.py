"""Publishes the files in a folder as a release, without any scruples: publish_files.py FOLDER ENV VERSION.

Runs in the registry's environment. The folder is one that `edustream-registry pull` wrote, its files changed or not;
what the release says of itself is what the pulled one said. Nothing is trained, measured or replayed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from edustream_contracts.errors import EduStreamError
from edustream_contracts.exit_codes import exit_code
from edustream_registry.authorship import open_author
from edustream_registry.manifest import BUNDLE_FILE, FILE_NAME, ReleaseContent, ReleaseFile
from edustream_registry.publishing import Publisher
from edustream_registry.settings import RegistrySettings, with_env_file

folder, env_file, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
pulled = ReleaseContent.model_validate(json.loads((folder / FILE_NAME).read_bytes())["signed"]["content"])
names = sorted(path.name for path in folder.iterdir() if path.name not in (FILE_NAME, BUNDLE_FILE))
content = pulled.model_copy(update={"files": tuple(ReleaseFile.of(folder / name) for name in names)})
author = open_author(RegistrySettings.from_environ(with_env_file({}, env_file)), "somebody")
try:
    done = Publisher(author, bundler=None).publish(content, folder, version)
except EduStreamError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(exit_code(error))
sys.stdout.write(f"{done.status.value} {done.manifest.version}: {done.why}\n")
