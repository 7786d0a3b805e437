"""Publishes the files in a folder as a release, without any scruples: publish_files.py FOLDER ENV VERSION.

Runs in the registry's environment. The folder is one that `edustream-registry pull` wrote, its files changed or not;
what the release says of itself is what the pulled one said. Nothing is trained, measured or replayed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from edustream_registry.manifest import BUNDLE_FILE, FILE_NAME, ReleaseContent, ReleaseFile
from uploading import upload

folder, env_file, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
pulled = ReleaseContent.model_validate(json.loads((folder / FILE_NAME).read_bytes())["signed"]["content"])
names = sorted(path.name for path in folder.iterdir() if path.name not in (FILE_NAME, BUNDLE_FILE))
content = pulled.model_copy(update={"files": tuple(ReleaseFile.of(folder / name) for name in names)})
sys.exit(upload(content, folder, env_file, version, "somebody"))
