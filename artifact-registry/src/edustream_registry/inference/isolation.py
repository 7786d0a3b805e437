"""Keeps a process from importing anything but what a consumer has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Final

# What this package and its extra `inference` install, as far as reading and running a release takes it.
CONSUMERS_PACKAGES: Final = frozenset(
    {
        "_cffi_backend",
        "annotated_types",
        "cryptography",
        "edustream_contracts",
        "edustream_registry",
        "jsonschema_rs",
        "numpy",
        "onnxruntime",
        "pydantic",
        "pydantic_core",
        "rfc8785",
        "semver",
        "typing_extensions",
        "typing_inspection",
    }
)


class ConsumersImports(MetaPathFinder):
    """Stands before every other finder and refuses each package that is neither Python's own nor a consumer's."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Leave the search to the other finders, or raise ModuleNotFoundError."""
        package = fullname.partition(".")[0]
        # The configuration that Python was built with is a module of its own, named after the platform.
        own = package in sys.stdlib_module_names or package.startswith("_sysconfigdata_")
        if not own and package not in CONSUMERS_PACKAGES:
            raise ModuleNotFoundError(f"No consumer has the module {fullname!r}", name=fullname)


def isolate() -> None:
    """From now on, this process imports what a consumer has, and nothing else."""
    sys.meta_path.insert(0, ConsumersImports())
