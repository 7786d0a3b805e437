"""A copy of what a registry holds and of the keys that signed it, to begin again from in another place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from edustream_lab.company import Company

KEYS: Final = (
    "artifact-registry/trust.json",
    "repo-ml/trust.json",
    "repo-ml/signing-key.pem",
    "repo-api/trust.json",
    "repo-api/signing-key.pem",
)
RELEASED: Final = "models/"


@dataclass(frozen=True, slots=True)
class Backup:
    """The objects of all models by their key, and the files of signing keys and of trust by their path."""

    objects: Mapping[str, bytes]
    keys: Mapping[str, bytes]

    @staticmethod
    def of(company: Company) -> Backup:
        """Copy what the registry of a company holds now."""
        return Backup(
            {key: company.read(key) for key in company.keys(RELEASED)},
            {path: (company.home / path).read_bytes() for path in KEYS},
        )

    def restore(self, company: Company) -> None:
        """Start the registry of a company that has none yet, with these keys and these objects."""
        for path, data in self.keys.items():
            target = company.home / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(0o600)
        company.start_registry()
        for key, data in self.objects.items():
            company.write(key, data)
