"""Check whether the installed environment fulfils the requirements of a conda.yaml."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from scatd import settings
from scatd.errors import InputError


def check(conda_yaml: Path) -> None:
    """Compare Python and every pip requirement of `conda_yaml` with the installed versions.

    Raises
    ------
    InputError
        Lists all requirements that are missing or have another version.
    """
    unmet = []
    for line in _requirements(conda_yaml):
        wanted = Requirement(line)
        found = _installed(wanted.name)
        if found is None:
            unmet.append(f"{line} (missing)")
        elif not SpecifierSet(str(wanted.specifier), prereleases=True).contains(found):
            unmet.append(f"{line} (found {found})")
    if unmet:
        remedy = "Add --env-manager local, install conda, or install what is missing: pip install ."
        what = f"this environment does not hold {', '.join(unmet)}"
        raise InputError(what, where=conda_yaml.name, remedy=remedy)


def _requirements(conda_yaml: Path) -> list[str]:
    lines: list[str] = []
    for item in settings.load_yaml(conda_yaml).get("dependencies", []):
        if isinstance(item, dict):
            # Left out: options of pip (-c FILE) and the project itself (.).
            lines += [line for line in item["pip"] if line[0] not in "-."]
        elif item.startswith("python"):
            lines.append(item)
    return lines


def _installed(name: str) -> str | None:
    if name == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    try:
        check(Path(sys.argv[1]))
    except InputError as error:
        sys.exit(f"scatd: {error}")
