"""A bench for consumers: a registry in memory, releases of tiny models, keepers and applications on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edustream_contracts.contract import ModelContract
from edustream_registry.local_copy import LocalCopy
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.reading import ReleaseReader
from edustream_registry.testing.onnx_models import tenure_golden, tenure_model
from edustream_registry.testing.simulator import RegistrySimulator, write_release

from edustream_api.consumer import Consumer, assemble
from edustream_api.events import Event, Listener
from edustream_api.keeper import Keeper
from edustream_api.loading import ContractPin, ModelLoader
from edustream_api.settings import ConsumerSettings

BUDGET_S = 3600.0


@dataclass
class ConsumerBench:
    """Publishes into `registry` and makes consumers of it; `events` is what their keepers told."""

    directory: Path
    contract: ModelContract
    registry: RegistrySimulator = field(default_factory=RegistrySimulator)
    events: list[Event] = field(default_factory=list)

    def model(self, **changes: Any) -> bytes:
        return tenure_model(self.contract, **changes)

    def golden(self, scale: float, **changes: Any) -> list[Mapping[str, Any]]:
        return tenure_golden(self.contract, scale, **changes)

    def content(
        self,
        name: str,
        *,
        scale: float = -0.05,
        contract: ModelContract | None = None,
        model: bytes | None = None,
        golden: list[Mapping[str, Any]] | None = None,
        **changes: Any,
    ) -> tuple[ReleaseContent, Path]:
        directory = self.directory / "releases" / name
        content = write_release(
            directory,
            contract or self.contract,
            self.model(scale=scale) if model is None else model,
            self.golden(scale) if golden is None else golden,
        )
        return content.model_copy(update=changes), directory

    def release(self, version: str, *, promote: bool = True, checked: bool = True, **changes: Any) -> None:
        content, directory = self.content(version, **changes)
        publish = self.registry.publish if checked else self.registry.publish_unchecked
        publish(content, directory, version)
        if promote:
            self.registry.promote(content.model, version)

    def keeper(
        self,
        reference: str = "churn@production",
        *,
        pin: ModelContract | None = None,
        cache: str = "cache",
        reader: ReleaseReader | None = None,
        listeners: Sequence[Listener] = (),
    ) -> Keeper:
        registry = self.registry
        return Keeper(
            Reference.parse(reference),
            reader or registry.reader,
            LocalCopy(self.directory / cache, registry.trust, registry.clock),
            ModelLoader(ContractPin(pin or self.contract)),
            BUDGET_S,
            registry.clock,
            [self.events.append, *listeners],
        )

    def consumer(self, environ: Mapping[str, str] | None = None, **changes: Any) -> Consumer:
        settings = ConsumerSettings(cache_dir=self.directory / "cache", poll_interval_s=3600.0)
        registry = self.registry
        return assemble(
            replace(settings, **changes), registry.reader, environ or {}, registry.clock, lambda: registry.consumer
        )

    def reader_of_the_last_minute(self) -> ReleaseReader:
        """A reader that allows a channel's last entry to be a minute old."""
        registry = self.registry
        return ReleaseReader(registry.store, replace(registry.trust, max_entry_age_s=60.0), registry.clock)

    def delete(self, part: str) -> list[str]:
        """Delete every object whose key holds `part`, as the admin would; the keys."""
        objects = self.registry.memory.objects
        keys = [key for key in objects if part in key]
        for key in keys:
            del objects[key]
        return keys


def version(keeper: Keeper) -> str | None:
    """The version of what `keeper` has served."""
    serving = keeper.snapshot.serving
    return serving.version if serving else None
