"""Use cases: send a registered version to a repository of the Hugging Face hub, and get one."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scatd import console
from scatd.errors import InputError, ScatdError
from scatd.registry import ModelRef
from scatd.registry.by_drug import find_named
from scatd.workflows.travel import bundle
from scatd.workflows.travel.export import packed
from scatd.workflows.travel.receive import Received, receive_from

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_REVISION = re.compile(r"[\w./-]{1,200}", re.ASCII)
_LOG_IN = "Set HF_TOKEN, or log in: hf auth login."


class HubError(ScatdError):
    """The hub cannot be reached, or does not do what was asked (exit code 1)."""


@dataclass(frozen=True)
class Pushed:
    """The version, the address of the commit, and what a reader should know."""

    ref: ModelRef
    url: str
    commit: str
    is_private: bool
    notes: list[str]


@dataclass(frozen=True)
class Pulled:
    """What became of the bundle, and the commit that it was read at."""

    received: Received
    commit: str


def push(
    model: str, repository: str, *, public: bool = False, revision: str | None = None
) -> Pushed:
    """Send a registered version to a model repository, as one commit.

    Parameters
    ----------
    model
        As in `export`.
    repository
        `OWNER/NAME`. It is made if it is not there, private unless `public`.
    public
        Make it public. A repository that is public already is refused without it.
    revision
        Branch; made if it is not there. None is `main`.

    Raises
    ------
    InputError
        When there is no such version, no token, no right to write, or the repository is public and
        `public` was not said.
    HubError
        When the hub cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    _require_words(repository, revision)
    ref = find_named(model)
    api = _api(needs_token=True)
    with packed(ref) as (folder, manifest, notes), _hub_faults(repository):
        is_private = _repository(api, repository, public=public)
        if revision is not None:
            api.create_branch(repository, branch=revision, exist_ok=True)
        names = [bundle.MANIFEST, bundle.README, *manifest.files]
        held = api.model_info(repository, revision=revision).siblings or []
        there = {file.rfilename for file in held}
        stale = sorted(there & {*bundle.NEEDED, *bundle.OPTIONAL} - set(names))
        done = api.create_commit(
            repository,
            [
                *(CommitOperationDelete(name) for name in stale),
                *(CommitOperationAdd(name, folder / name) for name in names),
            ],
            commit_message=f"{ref.name} version {ref.version}",
            revision=revision,
        )
    return Pushed(ref, str(done.commit_url), str(done.oid), is_private, notes)


def pull(repository: str, revision: str | None = None) -> Pulled:
    """Get a bundle from a model repository, check it as `receive` does, and register its model.

    Only the files of a bundle are downloaded, all of one commit.

    Parameters
    ----------
    repository
        `OWNER/NAME`, or `OWNER/NAME@REVISION`.
    revision
        Branch, tag or commit.

    Raises
    ------
    InputError
        When there is no such repository or revision, it is no bundle, or as `receive`.
    HubError
        When the hub cannot be reached.
    """
    name, at, said = repository.partition("@")
    if at and revision is not None:
        raise InputError("two revisions are named", where=repository, expected="one")
    wanted = said if at else revision
    _require_words(name, wanted)
    api = _api(needs_token=False)
    with tempfile.TemporaryDirectory() as scratch:
        with _hub_faults(name):
            found = api.model_info(name, revision=wanted, files_metadata=True)
        commit = str(found.sha)
        sizes = {file.rfilename: int(file.size or 0) for file in found.siblings or []}
        source = _Repository(api, name, commit, sizes, Path(scratch))
        received = receive_from(source, command="pull", came_by=f"{name}@{commit}")
    return Pulled(received, commit)


class _Repository:
    """The files of a bundle in a repository, at one commit; others in it are not looked at."""

    def __init__(
        self, api: HfApi, name: str, commit: str, sizes: dict[str, int], scratch: Path
    ) -> None:
        known = {bundle.MANIFEST, bundle.README, *bundle.NEEDED, *bundle.OPTIONAL}
        self._sizes = {file: n_bytes for file, n_bytes in sizes.items() if file in known}
        self._api, self._name, self._commit, self._scratch = api, name, commit, scratch
        self.where = f"{name}@{commit[:12]}"

    def sizes(self) -> dict[str, int]:
        """Bytes by name, as the hub says."""
        return self._sizes

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """One file, downloaded."""
        with _hub_faults(self._name):
            path = self._api.hf_hub_download(
                self._name, name, revision=self._commit, local_dir=self._scratch / "downloaded"
            )
        with Path(path).open("rb") as file:
            yield file


def _api(*, needs_token: bool) -> HfApi:
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars

    if not console.shows_progress():
        disable_progress_bars()
    token = get_token()
    if needs_token and not token:
        what = "there is no token for the Hugging Face hub"
        raise InputError(what, expected="a token that may write", remedy=_LOG_IN)
    # The variable is read here: the library reads it once, when it is imported.
    endpoint = os.environ.get("HF_ENDPOINT") or None
    return HfApi(endpoint=endpoint, token=token or False, library_name="scatd")


def _repository(api: HfApi, name: str, *, public: bool) -> bool:
    """Make the repository if it is not there; returns whether it is private."""
    api.create_repo(name, private=not public, exist_ok=True)
    is_private = bool(api.model_info(name).private)
    if not is_private and not public:
        remedy = "Say --public, or name another repository."
        raise InputError("... is public, and --public was not given", where=name, remedy=remedy)
    return is_private


def _require_words(repository: str, revision: str | None) -> None:
    if not _REPOSITORY.fullmatch(repository) or ".." in repository:
        expected = "OWNER/NAME, such as my-lab/docetaxel"
        raise InputError(f"'{repository}' is no repository of the hub", expected=expected)
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise InputError(f"'{revision}' is no revision", expected="a branch, a tag or a commit")


@contextlib.contextmanager
def _hub_faults(repository: str) -> Iterator[None]:
    """Turn what the library of the hub raises into one message."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        remedy = f"Ask for access on its page. {_LOG_IN}"
        raise InputError(
            "... is gated, and you have no access", where=repository, remedy=remedy
        ) from error
    except errors.RepositoryNotFoundError as error:
        what = "there is no such repository, or it is private and the token may not see it"
        raise InputError(what, where=repository, remedy=_LOG_IN) from error
    except errors.RevisionNotFoundError as error:
        raise InputError("... has no such revision", where=repository) from error
    except errors.EntryNotFoundError as error:
        raise InputError("... lacks a file that it announced", where=repository) from error
    except errors.OfflineModeIsEnabled as error:
        what, remedy = "HF_HUB_OFFLINE forbids it", "Take the variable away."
        raise InputError(what, where=repository, remedy=remedy) from error
    except errors.HfHubHTTPError as error:
        raise _refusal(error, repository) from error
    except (httpx2.HTTPError, OSError) as error:
        what = f"the hub cannot be reached ({_first_line(error)})"
        remedy = "Look at the network, at HF_ENDPOINT, and at HTTPS_PROXY behind a proxy."
        raise HubError(what, where=repository, remedy=remedy) from error


def _refusal(error: Any, repository: str) -> ScatdError:
    status = getattr(error.response, "status_code", None)
    if status in (401, 403):
        what = f"the hub refuses it (status {status}): the token is wrong, or may not do this"
        return InputError(what, where=repository, remedy=_LOG_IN)
    if status in (400, 404, 409, 422):
        return InputError(f"the hub refuses it ({_first_line(error)})", where=repository)
    what = f"the hub does not answer as expected ({_first_line(error)})"
    return HubError(what, where=repository, remedy="Try again later.")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
