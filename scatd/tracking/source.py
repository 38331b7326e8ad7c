"""Which code a run is of: the version of scatd, and the commit where it runs from a checkout."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path

from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils import git_utils, mlflow_tags

from scatd import __version__, keys

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where the package lies. Only a checkout has a `.git` there."""

_GIT = (
    mlflow_tags.MLFLOW_GIT_COMMIT,
    mlflow_tags.MLFLOW_GIT_BRANCH,
    mlflow_tags.MLFLOW_GIT_REPO_URL,
)
_DOORS = ("scatd", "scatd.exe")
"""Names of the installed program."""


def tags_of_run(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags of a new run: those given, the version of scatd, and what MLflow adds.

    MLflow adds the commit of the folder that the program lies in. For `scatd` that is a virtual
    environment, which may lie in the checkout of another project. So it is the commit of scatd's
    own checkout, or none. A script of the user keeps its own commit.
    """
    found = resolve_tags({keys.TAG_VERSION: __version__, **tags})
    if not _is_own(Path(sys.argv[0])):
        return found
    others = {name: value for name, value in found.items() if name not in _GIT or name in tags}
    return {**_commit(), **others}


def _is_own(program: Path) -> bool:
    """Whether the program is one of scatd's: the installed command, or a file of the package."""
    return program.name in _DOORS or program.resolve().is_relative_to(CHECKOUT)


@functools.cache
def _commit() -> dict[str, str]:
    """Commit, branch and address of scatd's checkout; nothing where it was installed."""
    if not (CHECKOUT / ".git").exists():
        return {}
    place = str(CHECKOUT)
    asked = (git_utils.get_git_commit, git_utils.get_git_branch, git_utils.get_git_repo_url)
    found = {name: ask(place) for name, ask in zip(_GIT, asked, strict=True)}
    return {name: value for name, value in found.items() if value}
