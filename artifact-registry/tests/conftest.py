from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from changed_contracts import months

from edustream_contracts.contract import ModelContract, load_contract
from edustream_contracts.errors import EduStreamError
from edustream_registry.local_copy import LocalCopy, LocalRelease
from edustream_registry.local_server import Engine, RunningServer, running_server
from edustream_registry.manifest import ReleaseContent
from edustream_registry.names import Reference
from edustream_registry.provisioning import Folders, Provisioner
from edustream_registry.publishing import Publication
from edustream_registry.resolved import Resolved
from edustream_registry.s3_client import make_client
from edustream_registry.settings import RegistrySettings, with_env_file
from edustream_registry.testing.simulator import RegistrySimulator, write_release


def pytest_configure() -> None:
    # Parallel workers inherit a terminal's size, which a console would keep for good; tests state their own.
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def contract() -> ModelContract:
    return load_contract("churn")


@pytest.fixture
def registry() -> RegistrySimulator:
    return RegistrySimulator()


@pytest.fixture
def release_dir(tmp_path: Path) -> Path:
    return tmp_path / "release"


@pytest.fixture
def content(release_dir: Path, contract: ModelContract) -> ReleaseContent:
    return write_release(release_dir, contract)


@pytest.fixture
def promoted(registry: RegistrySimulator, content: ReleaseContent, release_dir: Path) -> RegistrySimulator:
    """A registry with churn 1.0.0 on the channel production; the record of calls is empty."""
    registry.publish(content, release_dir)
    registry.promote("churn", "1.0.0")
    registry.store.calls.clear()
    return registry


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(Engine.MOTO, tmp_path_factory.mktemp("moto"), 0) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(Engine.SEAWEEDFS, tmp_path_factory.mktemp("seaweedfs"), 0) as server:
        yield server


@pytest.fixture(scope="session")
def folders(seaweedfs_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """What `init` writes for a registry on SeaweedFS."""
    written = Folders.below(tmp_path_factory.mktemp("repos"))
    Provisioner(settings_in(seaweedfs_server.admin_env)).init(written)
    return written


def settings_in(env_file: Path) -> RegistrySettings:
    """The settings of one env file alone, whatever the tests' own environment holds."""
    return RegistrySettings.from_environ(with_env_file({}, env_file))


@pytest.fixture
def release(registry: RegistrySimulator, tmp_path: Path, contract: ModelContract) -> Callable[..., str]:
    """Publish and promote a release with its own model bytes; returns its version."""

    def publish(model: str, version: str = "auto", *, promote: bool = True) -> str:
        directory = tmp_path / model
        published = registry.publish(write_release(directory, contract, model.encode()), directory, version)
        if promote:
            registry.promote("churn", published.manifest.version)
        return published.manifest.version

    return publish


@pytest.fixture
def publish(registry: RegistrySimulator, tmp_path: Path, contract: ModelContract) -> Callable[..., Publication]:
    """Publish a new model whose contract admits a tenure of so many months; promote it to the channels named."""
    numbers = itertools.count()

    def release(maximum: int = 120, version: str = "auto", channels: tuple[str, ...] = (), **more: Any) -> Publication:
        directory = tmp_path / f"release-{next(numbers)}"
        written = write_release(directory, months(contract, maximum, **more), directory.name.encode())
        done = registry.publish(written, directory, version)
        for channel in channels:
            registry.promote("churn", done.manifest.version, channel)
        registry.store.calls.clear()
        return done

    return release


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "copy"


@pytest.fixture
def copy(directory: Path, promoted: RegistrySimulator) -> LocalCopy:
    return LocalCopy(directory, promoted.trust, promoted.clock)


@pytest.fixture
def found(promoted: RegistrySimulator) -> Resolved:
    return promoted.reader.resolve(Reference.parse("churn@production"))


@pytest.fixture
def fetched(copy: LocalCopy, promoted: RegistrySimulator, found: Resolved) -> LocalRelease:
    """A release that was fetched and committed."""
    release = copy.fetch(promoted.reader, found)
    copy.commit(release)
    promoted.store.calls.clear()
    return release


@pytest.fixture(scope="session")
def upstream(moto_server: RunningServer) -> RegistrySettings:
    """A bucket on moto that all examinations share; each works below scratch keys of its own."""
    settings = dataclasses.replace(settings_in(moto_server.admin_env), bucket="examined", prefix="a/prefix")
    make_client("s3", settings).create_bucket(Bucket=settings.bucket)
    return settings


def refusal(call: Callable[[], Any]) -> tuple[type[EduStreamError], str, str]:
    with pytest.raises(EduStreamError) as caught:
        call()
    return type(caught.value), caught.value.kind, str(caught.value)


def resolve(registry: RegistrySimulator, text: str = "churn@production", known: Resolved | None = None) -> Resolved:
    return registry.reader.resolve(Reference.parse(text), known)
