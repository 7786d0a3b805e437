"""Times one transfer of one large file and measures its memory; prints both as JSON.

Runs in the producer's environment, a process for each transfer, so that each begins with the same memory. What a
process imports and the clients that it makes belong to neither figure.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import boto3
import edustream_registry.openssf  # noqa: F401 - imports are not timed
from edustream_contracts.contract import load_contract
from edustream_registry.authorship import open_author
from edustream_registry.manifest import ReleaseFile
from edustream_registry.names import Reference
from edustream_registry.publishing import Publisher
from edustream_registry.pulling import pull
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.testing.simulator import write_release

NAME = "weights.bin"
mode, env_file, source, target = sys.argv[1], *map(Path, sys.argv[2:])
settings = RegistrySettings.from_environ(with_env_file({}, env_file))
author = open_author(settings, "bench")
plain = boto3.client(
    "s3",
    endpoint_url=settings.endpoint_url,
    aws_access_key_id=settings.access_key_id,
    aws_secret_access_key=settings.secret_access_key,
    region_name=settings.region,
)
described_s = 0.0
if mode == "publish":
    content = write_release(source.parent, load_contract("churn"))
    began = time.perf_counter()
    large = ReleaseFile.of(source)
    described_s = time.perf_counter() - began
    content = content.model_copy(update={"files": (*content.files, large)})
elif mode == "pull":
    found = author.reader.resolve(Reference.parse("churn@1.0.0"))
elif mode == "download_file":
    (listed,) = (row for row in author.store.list("models/churn/files/") if row.key.endswith(f"/{NAME}"))

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
if mode == "publish":
    Publisher(author).publish(content, source.parent, "1.0.0")
elif mode == "pull":
    pull(author.reader, found, target)
elif mode == "upload_file":
    plain.upload_file(str(source), settings.bucket, "models/plain")
else:
    plain.download_file(settings.bucket, listed.key, str(target))
took = time.perf_counter() - began
memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
sys.stdout.write(json.dumps({"seconds": took, "described_s": described_s, "memory_mib": memory}) + "\n")
