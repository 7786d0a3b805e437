from __future__ import annotations

import pytest

from edustream_ml.addresses import shown_address, without_secrets


@pytest.mark.parametrize(
    ("address", "shown", "secret"),
    [
        ("http://127.0.0.1:8000/drift", "http://127.0.0.1:8000/drift", None),
        ("https://user:s3cret@host/drift?token=1", "https://host/drift", "s3cret"),
        ("postgresql://user:pa#ss@host/db", "postgresql://host/db", "pa#ss"),
        ("postgresql://user:a/b?c@host/db", "postgresql://host/db", "a/b?c"),
        ("postgresql://user:p%40ss@host/db", "postgresql://host/db", "p@ss"),
        ("http://[bad", "http://[bad", None),
        ("https://host/x?key=k3y", "https://host/x", "key=k3y"),
        ("tracking.db?key=1", "tracking.db", None),
    ],
)
def test_nothing_secret_is_shown(address: str, shown: str, secret: str | None) -> None:
    assert shown_address(address) == shown
    if secret:
        said = without_secrets(f"no answer from {address} with {secret}", address)
        assert said == f"no answer from {shown} with ***"
