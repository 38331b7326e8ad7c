"""A lease: one process at a time, of all hosts that share a store, moves a registered model.

It is a registered model of the store named `lease-of-...`, because every store makes such names
unique. Its holder renews a beat. A lease whose beat stands still is taken over: a waiter renames it
to a name with the token of the dead holder, which only one waiter can do. No clock of another
computer is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import filelock
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd import keys
from scatd.errors import ScatdError
from scatd.registry.owner import Owner
from scatd.tracking import lock
from scatd.tracking.search import every

logger = logging.getLogger(__name__)

PREFIX = "lease-of-"
BEAT = 5.0
"""Seconds between two beats of a holder."""
FRESH = 15.0
"""A holder that renewed its lease this many seconds ago, or less, need not look whether it has it.
It is less than `STALE` by more than a beat takes."""
STALE = 30.0
"""A lease whose beat a waiter saw stand still for this many seconds is dead."""
PATIENCE = 60.0
"""Seconds that a process waits for another one."""
_SILENT, _POLL = 2.0, 0.25


def monotonic() -> float:
    """Seconds on this computer's own clock, which nobody sets."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait; tests replace it together with `monotonic`."""
    time.sleep(seconds)


@dataclass(frozen=True)
class Found:
    """A lease as it was read.

    Parameters
    ----------
    name
        Of the registered model that it is.
    owner
        Who holds it.
    beat
        Changes as long as its holder lives.
    """

    name: str
    owner: Owner
    beat: str

    @property
    def is_taken_over(self) -> bool:
        """True for what is left of a lease that another process took over."""
        return self.name != PREFIX + self.owner.subject


class Watch:
    """Tells a dead lease from a living one, by this process's own clock."""

    def __init__(self) -> None:
        self._seen: tuple[str, str] | None = None
        self._since = 0.0
        self.is_alive = False
        """True once a beat was seen to change."""

    def is_dead(self, found: Found) -> bool:
        """Look at the lease again: True where its process is gone, or its beat stood still."""
        seen = (found.owner.token, found.beat)
        if found.owner.is_gone():
            return True
        if seen != self._seen:
            self.is_alive = self._seen is not None
            self._seen, self._since = seen, monotonic()
        return monotonic() - self._since >= STALE


class Lease:
    """A lease that this process holds.

    Parameters
    ----------
    client
        The store.
    owner
        This process, and what it does.
    dead
        Token of the process that it was taken over from; empty where it was free.
    """

    def __init__(self, client: MlflowClient, owner: Owner, dead: str) -> None:
        self._client, self._name = client, PREFIX + owner.subject
        self.owner, self.dead = owner, dead
        self._renewed, self._renewed_at = monotonic(), time.time()
        self._over = threading.Event()
        self._beating = threading.Thread(target=self._beat, name=self._name, daemon=True)
        self._beating.start()

    def check(self) -> None:
        """Make sure, before a write, that the lease is still held.

        Raises
        ------
        ScatdError
            When another process took it over.
        """
        if self._age() < FRESH:
            return
        found = _read(self._client, self._name)
        if found is None or found.owner.token != self.owner.token:
            who = "another process" if found is None else found.owner.in_words
            what = f"it was taken over by {who}, because this process did not answer for too long"
            raise ScatdError(what, where=self.owner.subject, remedy=_LOOK)
        self._renew(str(time.monotonic_ns()))

    def give_back(self) -> None:
        """End the lease. One that cannot be ended now ends by itself, as that of a dead process."""
        self._over.set()
        self._beating.join(timeout=1)
        try:
            found = None if self._age() < FRESH else _read(self._client, self._name)
            if found is None or found.owner.token == self.owner.token:
                _delete(self._client, self._name)
            if self.dead:
                _delete(self._client, _name_of_dead(self._name, self.dead))
        except (MlflowException, ScatdError) as error:
            logger.debug("The lease of %s was not given back: %s", self.owner.subject, error)

    def _age(self) -> float:
        """Seconds since the lease was renewed. A computer that slept has stopped one clock."""
        return max(monotonic() - self._renewed, time.time() - self._renewed_at)

    def _beat(self) -> None:
        number = 0
        while not self._over.wait(BEAT):
            number += 1
            try:
                found = _read(self._client, self._name)
                if found is not None and found.owner.token == self.owner.token:
                    self._renew(str(number))
            except (MlflowException, ScatdError) as error:
                logger.debug("A beat of %s was missed: %s", self._name, error)

    def _renew(self, beat: str) -> None:
        begun, begun_at = monotonic(), time.time()
        self._client.set_registered_model_tag(self._name, keys.TAG_BEAT, beat)
        self._renewed, self._renewed_at = begun, begun_at


@contextlib.contextmanager
def held(client: MlflowClient, subject: str, action: str) -> Iterator[Lease]:
    """Hold the lease of a registered model, or of other work that only one process may do.

    Parameters
    ----------
    subject
        Registered name, or name of the work.
    action
        What is done, in a word, for those who wait.

    Raises
    ------
    ScatdError
        When another process holds it for longer than a minute, or the server does not allow it.
    """
    owner = Owner.of_this_process(subject, action)
    with _queue(client, subject):
        taken = _take(client, owner)
        try:
            yield taken
        finally:
            taken.give_back()


@contextlib.contextmanager
def _queue(client: MlflowClient, subject: str) -> Iterator[None]:
    """Let the processes of a host, or of a database, wait for each other without asking the store.

    It costs less than the lease. It does not take its place: a server and processes that open its
    database themselves have no other lock in common.
    """
    digest = hashlib.sha256(subject.encode()).hexdigest()[:16]
    first = lock(f"registry-{digest}")
    try:
        first.acquire(timeout=_SILENT)
    except filelock.Timeout:
        found = _read(client, PREFIX + subject)
        _say_waiting(subject, found)
        try:
            first.acquire(timeout=PATIENCE)
        except filelock.Timeout as error:
            raise _busy(subject, _read(client, PREFIX + subject)) from error
    try:
        yield
    finally:
        first.release()


def _take(client: MlflowClient, owner: Owner) -> Lease:
    """Wait for the lease, and take it."""
    name, begun, watch = PREFIX + owner.subject, monotonic(), Watch()
    dead, said = "", False
    found: Found | None = None
    while True:
        if found is None:
            if _create(client, name, owner):
                return Lease(client, owner, dead)
            dead = ""
            found = _read(client, name)
            if found is not None and found.owner.token == owner.token:
                return Lease(client, owner, dead)  # the answer to a first try was lost
            continue
        if watch.is_dead(found):
            dead = found.owner.token if _bury(client, found) else ""
            found = None
            continue
        waited = monotonic() - begun
        if waited >= PATIENCE:
            raise _busy(owner.subject, found)
        if waited >= _SILENT and not said:
            said = True
            _say_waiting(owner.subject, found)
        sleep(_POLL if waited < _SILENT else 4 * _POLL)
        found = _read(client, name)


def _create(client: MlflowClient, name: str, owner: Owner) -> bool:
    try:
        client.create_registered_model(name, tags={keys.TAG_LEASE: owner.as_json()})
    except MlflowException as error:
        if error.error_code == "RESOURCE_ALREADY_EXISTS":
            return False
        if error.error_code == "PERMISSION_DENIED":
            what = "the server does not let you move it: you may not create registered models"
            remedy = "Ask an administrator of the server for that right."
            raise ScatdError(what, where=owner.subject, remedy=remedy) from error
        raise
    return True


def _bury(client: MlflowClient, found: Found) -> bool:
    """Take a dead lease away; False where another waiter was first."""
    grave = _name_of_dead(found.name, found.owner.token)
    try:
        client.rename_registered_model(found.name, grave)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            return False
        if error.error_code == "PERMISSION_DENIED":
            what = f"{found.owner.in_words} does not answer, and you may not end that lease"
            remedy = (
                "Ask that person, or an administrator of the server, to run: "
                "scatd registry doctor --repair"
            )
            raise ScatdError(what, where=found.owner.subject, remedy=remedy) from error
        raise
    buried = _read(client, grave)
    if buried is not None and buried.owner.token != found.owner.token:
        # Others were faster, and this was the lease of a living process: give it its name back.
        with contextlib.suppress(MlflowException):
            client.rename_registered_model(grave, found.name)
        return False
    logger.warning(
        "%s: %s was cut short. This process goes on.", found.owner.subject, found.owner.in_words
    )
    return True


def find(client: MlflowClient, subject: str) -> Found | None:
    """The lease of a registered model, if one is held or left."""
    return _read(client, PREFIX + subject)


def survey(client: MlflowClient) -> tuple[list[Found], list[Found]]:
    """Leases of living processes, and what dead ones have left.

    It waits until each lease is known to be alive or dead: half a minute at most.
    """
    watches: dict[str, Watch] = {}
    while True:
        dead: list[Found] = []
        unknown: list[Found] = []
        alive: list[Found] = []
        for found in _every(client):
            watch = watches.setdefault(found.name, Watch())
            if found.is_taken_over or watch.is_dead(found):
                dead.append(found)
            else:
                (alive if watch.is_alive else unknown).append(found)
        if not unknown:
            return alive, dead
        sleep(4 * _POLL)


def clear(client: MlflowClient, found: Found) -> None:
    """Take away what a dead process left; leave it alone where it was renewed meanwhile."""
    now = _read(client, found.name)
    if now is None or now.owner.token != found.owner.token or now.beat != found.beat:
        return
    if not found.is_taken_over and not _bury(client, found):
        return
    _delete(client, _name_of_dead(PREFIX + found.owner.subject, found.owner.token))


def _every(client: MlflowClient) -> list[Found]:
    wanted = f"name LIKE '{PREFIX}%'"
    found = every(lambda page: client.search_registered_models(wanted, page_token=page))
    return [_found(item.name, item.tags) for item in found]


def _read(client: MlflowClient, name: str) -> Found | None:
    try:
        tags = client.get_registered_model(name).tags
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        if error.error_code == "PERMISSION_DENIED":
            what = "another person moves it, and the server does not let you see who"
            remedy = "Wait, and start the same command again."
            raise ScatdError(what, where=name.removeprefix(PREFIX), remedy=remedy) from error
        raise
    return _found(name, tags)


def _found(name: str, tags: dict[str, str]) -> Found:
    owner = Owner.from_json(tags.get(keys.TAG_LEASE, ""), subject=name.removeprefix(PREFIX))
    return Found(name, owner, tags.get(keys.TAG_BEAT, ""))


def _delete(client: MlflowClient, name: str) -> None:
    try:
        client.delete_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _name_of_dead(name: str, token: str) -> str:
    return f"{name}.{token}"


def _say_waiting(subject: str, found: Found | None) -> None:
    who = "another process" if found is None else found.owner.in_words
    logger.info("%s: waiting for %s", subject, who)


def _busy(subject: str, found: Found | None) -> ScatdError:
    who = "another process" if found is None else found.owner.in_words
    what = f"{who} has held it for more than {PATIENCE:.0f} s"
    return ScatdError(
        what, where=subject, remedy=f"Wait, and start the same command again. {_LOOK}"
    )


_LOOK = "To see what a dead process has left: scatd registry doctor"
