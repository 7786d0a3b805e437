"""A registry with keys, an author and a reader, all in memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edustream_contracts.canonical import sha256_hex
from edustream_contracts.contract import FILE_NAME, ModelContract
from edustream_registry import layout
from edustream_registry.creation import timestamp
from edustream_registry.manifest import (
    CodeVersion,
    DataSource,
    InputTensor,
    Manifest,
    ModelOutputs,
    Rebuild,
    ReleaseContent,
    ReleaseFile,
)
from edustream_registry.memory_store import MemoryStore
from edustream_registry.promotion import Promoter, Promotion
from edustream_registry.publishing import AUTO, Publication, Publisher
from edustream_registry.reading import ReleaseReader
from edustream_registry.signing import Signer
from edustream_registry.statement import PROTOCOL
from edustream_registry.stating import ConsumerAuthor
from edustream_registry.store import WriteCondition
from edustream_registry.testing.clock import ManualClock
from edustream_registry.testing.faults import FaultyStore
from edustream_registry.trust import TrustPolicy
from edustream_registry.writing import Author
from edustream_registry.yanking import Yank, Yanker

CONSUMER: Final = "api"


class RegistrySimulator:
    """A whole valid registry; `memory.objects` may be damaged, `store.cut_off` cuts the network.

    `author` writes with the trusted key. `author_with` gives another author, e.g. one with a strange key. `consumer`
    states the needs of the one consumer that the trust policy knows.
    """

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.memory = MemoryStore(self.clock)
        self.store = FaultyStore(self.memory)
        self.signer = Signer.generate()
        self.consumer_signer = Signer.generate()
        self.trust = TrustPolicy((self.signer.public,), consumers={CONSUMER: (self.consumer_signer.public,)})
        self.reader = ReleaseReader(self.store, self.trust, self.clock)
        self._write_ids = (f"{number:032x}" for number in itertools.count(1))
        self.author = self.author_with(self.signer, self.reader)
        self.consumer = ConsumerAuthor(CONSUMER, self.store, self.trust, self.consumer_signer, self.clock)
        document = json.dumps({"protocol": PROTOCOL, "created_at": timestamp(self.clock())}).encode()
        self.memory.put(layout.REGISTRY, document, WriteCondition.CREATE)

    def author_with(self, signer: Signer, reader: ReleaseReader, who: str = "tester") -> Author:
        """An author of this registry who signs with `signer` and checks with `reader`."""
        return Author(reader.store, reader, signer, who, self.clock, lambda: next(self._write_ids))

    def publish(self, content: ReleaseContent, directory: Path, version: str = AUTO) -> Publication:
        """Publish a release as the trusted author, without the bundle that no reader of the protocol looks at."""
        return Publisher(self.author, bundler=None).publish(content, directory, version)

    def publish_unchecked(self, content: ReleaseContent, directory: Path, version: str) -> None:
        """Publish a release as a trusted publisher would that checks nothing of what it states."""
        for file in content.files:
            key = layout.file_key(content.model, file.sha256, file.name)
            self.memory.put(key, (directory / file.name).read_bytes(), WriteCondition.OVERWRITE)
        manifest = Manifest(
            version=version,
            content=content,
            published_at=self.author.now(),
            published_by=self.author.who,
            write_id=self.author.write_id(),
        )
        self.memory.put(
            layout.manifest_key(content.model, version), self.signer.sign(manifest.payload()), WriteCondition.CREATE
        )

    def promote(self, model: str, version: str, channel: str = "production") -> Promotion:
        """Promote a release as the trusted author."""
        return Promoter(self.author).promote(model, channel, version, "a test")

    def yank(self, model: str, version: str) -> Yank:
        """Yank a release as the trusted author."""
        return Yanker(self.author).yank(model, version, "a test")


def write_release(
    directory: Path,
    contract: ModelContract,
    model_onnx: bytes = b"model",
    golden_rows: list[Mapping[str, Any]] | None = None,
    extra_files: Mapping[str, bytes] | None = None,
) -> ReleaseContent:
    """Write the files of a release into `directory` and describe them.

    Args:
        directory: made if it is not there.
        contract: the contract that the release carries; its fields become the input tensors.
        model_onnx: bytes of the model.
        golden_rows: rows of golden.json; by default the contract's own first examples.
        extra_files: further files by name.
    """
    rows = golden_rows or [
        {"input": contract.example(), "output": contract.document["output"]["examples"][0]},
    ]
    files = {
        "model.onnx": model_onnx,
        FILE_NAME: json.dumps(contract.document).encode(),
        "golden.json": json.dumps({"golden_format": 1, "rows": rows}).encode(),
        **(extra_files or {}),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    classes = next((field.categories for field in contract.outputs if field.name == "prediction"), None) or ()
    digest = sha256_hex(b"test")
    return ReleaseContent(
        model=contract.model,
        task="binary",
        contract_digest=contract.digest,
        files=tuple(ReleaseFile.of(directory / name) for name in sorted(files)),
        inputs=(
            InputTensor(name="numeric", dtype="float32", columns=contract.numeric),
            InputTensor(name="categorical", dtype="string", columns=contract.categorical),
        ),
        outputs=ModelOutputs(label="label", probabilities="probabilities", classes=tuple(map(str, classes))),
        metrics={"roc_auc": 0.85},
        thresholds={"roc_auc": 0.8},
        data=DataSource(name="test.csv", sha256=digest, rows=10),
        code=CodeVersion(commit="unknown", dirty=False),
        libraries={"onnx": "1.0"},
        rebuild=Rebuild(command="python train_publish.py", config_sha256=digest, seed=1, lock_sha256=digest),
    )
