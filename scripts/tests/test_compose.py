from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from edustream_lab.places import Checkout
from edustream_lab.processes import environment

ADMIN = {"EDUSTREAM_ADMIN_ACCESS_KEY_ID": "key", "EDUSTREAM_ADMIN_SECRET_ACCESS_KEY": "secret"}


def compose(checkout: Checkout, *arguments: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["docker-compose", *arguments]
    return subprocess.run(command, cwd=checkout.root, env=environment(variables), capture_output=True, text=True)


@pytest.fixture(scope="module")
def services(checkout: Checkout) -> dict[str, Any]:
    done = compose(checkout, "--profile", "minio", "--profile", "producer", "config", variables=ADMIN)
    assert done.returncode == 0, done.stderr
    return dict(yaml.safe_load(done.stdout)["services"])


def test_there_is_no_default_for_the_administrators_key(checkout: Checkout) -> None:
    done = compose(checkout, "config", "--quiet", variables={})
    assert done.returncode != 0
    assert "EDUSTREAM_ADMIN_ACCESS_KEY_ID" in done.stderr


def test_every_port_is_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [str(port) for service in services.values() for port in service.get("ports", ())]
    assert published
    assert all("127.0.0.1" in port for port in published)


def test_servers_have_health_checks(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "healthcheck" in service} == {"registry", "consumer", "minio"}


def test_the_consumer_sees_no_other_users_keys(services: dict[str, Any]) -> None:
    mounted = {str(volume).partition(":")[0] for volume in services["consumer"]["volumes"]}
    assert mounted == {"consumer-keys", "consumer-cache"}
    assert not services["consumer"].get("environment")


def test_every_image_is_pinned(services: dict[str, Any]) -> None:
    tags = {service["image"].rpartition(":")[2] for service in services.values()}
    assert "latest" not in tags
    assert all(any(letter.isdigit() for letter in tag) for tag in tags)


def test_compose_starts_the_registry_with_the_flags_of_serve(checkout: Checkout, services: dict[str, Any]) -> None:
    """The container's SeaweedFS differs from `serve` in the address that it listens on, and in where its keys are."""
    source = (checkout.root / "artifact-registry/src/edustream_registry/local_server.py").read_text()
    for flag in services["registry"]["command"]:
        if flag.startswith(("-s3.iam", "-s3.auto", "-s3.port.i", "-s3.port.l", "-admin", "-webdav", "-master.tel")):
            assert flag in source
