from __future__ import annotations

import tomllib

from edustream_contracts.resources import CHECKOUT


def test_the_package_depends_on_no_other_of_ours() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

    named = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]

    assert not [name for name in named if name.startswith("edustream")]
