"""Moving a registered model so that no kill, and no other process, can lose the move.

Under the lease of the model, a move is written as an event with its plan, then made, then read
back, and then the event is finished. Whatever command comes after a cut move makes the rest of it
first. Each write says a final value, so that it can be repeated.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd import keys
from scatd.errors import InputError, ScatdError
from scatd.registry import described, lease, owner, state
from scatd.registry.events import MAX_REASON, Event, Plan
from scatd.registry.lease import Lease
from scatd.registry.state import Model
from scatd.tracking import connect

logger = logging.getLogger(__name__)

_OUTSIDE = "the alias was moved outside scatd"


class Moving:
    """A registered model that this process holds the lease of.

    Parameters
    ----------
    client, held
        The store, and the lease: it is checked before each write.
    model
        The model. It follows what is written.
    known
        Tags of its versions. They follow, too.

    Attributes
    ----------
    done
        The last event, where the process that wrote it was cut short in it or right after it. A
        command that asks for the same again asks for what is done already.
    """

    def __init__(
        self, client: MlflowClient, held: Lease, model: Model, known: dict[int, dict[str, str]]
    ) -> None:
        self.client, self.model, self.known = client, model, known
        self._held = held
        self.done: Event | None = None
        if held.dead and model.finished and model.finished[-1].token == held.dead:
            self.done = model.finished[-1]

    @property
    def production(self) -> int | None:
        """The version in production."""
        return self.model.aliases.get(keys.PRODUCTION)

    @property
    def shown(self) -> tuple[int | None, int | None]:
        """The version in production, and the newest one that has its files."""
        return self.production, state.intended(self.production, self.known)[0]

    def is_done(self, action: str, version: int | None = None) -> bool:
        """True where a command that was cut short did this, and it stands now."""
        content = self.done.content if self.done else {}
        return content.get("action") == action and version in (None, content.get("version"))

    def require(self, version: int) -> None:
        """Refuse a version that does not exist.

        Raises
        ------
        InputError
            When there is none of this number.
        """
        if version not in self.known:
            expected = "one of " + ", ".join(map(str, self.known))
            raise InputError(
                f"there is no version {version}", where=self.model.name, expected=expected
            )

    def can_serve(self, version: int | None) -> bool:
        """True for a version that exists and has its files."""
        return version in self.known and state.is_whole(self.known[version])

    def earlier(self, version: int) -> int | None:
        """The version that was in production before this one, and is still there."""
        at, seen = version, {version}
        while (before := self._replaced_by(at)) is not None and before not in seen:
            if self.can_serve(before):
                return before
            at = before
            seen.add(before)
        return None

    def move(
        self,
        action: str,
        *,
        version: int,
        after: Mapping[str, int | None],
        reason: str,
        tags: Mapping[str, str] | None = None,
        **about: str | int | None,
    ) -> None:
        """Move the aliases.

        Parameters
        ----------
        action
            For the history.
        version
            The version that is moved.
        after
            Version by alias, `production` and `previous`; None takes an alias away.
        reason, about
            For the history.
        tags
            Set on the version.

        Raises
        ------
        ScatdError
            When another process moved the model meanwhile; it says what became of it.
        """
        before = {alias: self.model.aliases.get(alias) for alias in after}
        plan = Plan(before, after, tags or {}, self._held.owner.in_words)
        about = {"production": after[keys.PRODUCTION], **about}
        event = self._event(action, version=version, reason=reason, **about)
        self._write(replace(event, plan=plan))
        self._carry_out(replace(event, plan=plan))

    def finish_cut(self) -> None:
        """Make the rest of a move that was cut short, or take it back where it cannot be made."""
        for tag in self.model.overtaken:
            self._delete_tag(tag)
        cut = self.model.cut
        if cut is None or cut.plan is None:
            return
        what = f"{cut.content['action']} of version {cut.content['version']}"
        name, plan, who = self.model.name, cut.plan, cut.plan.owner
        ends = (plan.before[keys.PRODUCTION], plan.after[keys.PRODUCTION])
        if self.production not in ends:
            self._delete_tag(cut.tag)
            logger.warning("%s: %s was cut short, and %s since: it is void", name, who, _OUTSIDE)
        elif self._is_gone(plan):
            previous = self._or_none(plan.before[keys.PREVIOUS])
            self._set_aliases({**plan.before, keys.PREVIOUS: previous})
            self._delete_tag(cut.tag)
            self.settle()
            logger.warning("%s: the %s was taken back (%s): its files are gone", name, what, who)
        else:
            after = {**plan.after, keys.PREVIOUS: self._or_none(plan.after[keys.PREVIOUS])}
            self._carry_out(replace(cut, plan=replace(plan, after=after)))
            self.done = self.model.finished[-1]
            logger.warning(
                "%s: the %s had been cut short (%s). It is finished now.", name, what, who
            )

    def notice(self) -> None:
        """Write into the history that the alias was moved outside scatd, where it was."""
        history = self.model.history
        believed = history[-1]["production"] if history else None
        if self.production == believed:
            return
        self.settle()
        now = {"version": self.production, "replaced": believed, "production": self.production}
        self._write(self._event("noticed", reason=_OUTSIDE, **now))

    def settle(self) -> None:
        """Let `staging`, the stage tags, and a wrong `previous` follow the alias `production`."""
        newest, stages = state.intended(self.production, self.known)
        wanted = {keys.STAGING: newest}
        previous = self.model.aliases.get(keys.PREVIOUS)
        if previous is not None and previous == self.production:
            wanted[keys.PREVIOUS] = self.earlier(previous)
        self._set_aliases(wanted)
        for version, stage in stages.items():
            self._set_tags(version, {keys.TAG_STAGE: stage})

    def new_version(self, number: int, tags: Mapping[str, str]) -> None:
        """Take note of a version that was made under this lease."""
        self.known[number] = dict(tags)
        self.settle()

    def check(self) -> None:
        """Make sure that the lease is still held (`Lease.check`)."""
        self._held.check()

    def _carry_out(self, event: Event) -> None:
        plan = event.plan
        assert plan is not None
        self._set_aliases(plan.after)
        if event.content["version"] in self.known:
            self._set_tags(event.content["version"], plan.tags)
        self.settle()
        self._verify(event, plan)
        self._write(replace(event, plan=None))

    def _verify(self, event: Event, plan: Plan) -> None:
        """Read back what was written: another process may have moved the model all the same."""
        now = state.require(self.client, self.model.name)
        held = {alias: now.aliases.get(alias) for alias in plan.after}
        if held == dict(plan.after) and event.tag in now.tags:
            return
        production = held[keys.PRODUCTION]
        is_there = "nothing is" if production is None else f"version {production} is"
        what = (
            f"the {event.content['action']} of version {event.content['version']} was lost: "
            f"another process moved the model at the same time, and {is_there} in production"
        )
        remedy = (
            "If the move is still wanted, start the command again. To see what was moved: "
            f"scatd registry history {self.model.name}"
        )
        raise ScatdError(what, where=self.model.name, remedy=remedy)

    def _event(self, action: str, *, reason: str, **about: str | int | None) -> Event:
        said = {"at": owner.now(), "by": owner.user(), "action": action}
        content: dict[str, Any] = {**said, "reason": reason[:MAX_REASON], **about}
        return Event(self.model.next_number, self._held.owner.token, content)

    def _write(self, event: Event) -> None:
        self.check()
        name, text = self.model.name, event.as_json()
        try:
            self.client.set_registered_model_tag(name, event.tag, text)
        except MlflowException as error:
            if error.error_code != "PERMISSION_DENIED":
                raise
            what = "the server does not let you move this model"
            remedy = (
                "Ask its owner or an administrator of the server for the permission to edit it. "
                "Nothing was moved."
            )
            raise ScatdError(what, where=name, remedy=remedy) from error
        self.model.tags[event.tag] = text

    def _delete_tag(self, tag: str) -> None:
        self.check()
        self.client.delete_registered_model_tag(self.model.name, tag)
        del self.model.tags[tag]

    def _set_aliases(self, wanted: Mapping[str, int | None]) -> None:
        """Write the aliases that differ; `previous` first where production takes its version."""
        name, aliases = self.model.name, self.model.aliases
        is_last = wanted.get(keys.PRODUCTION) == aliases.get(keys.PREVIOUS)
        for alias in sorted(wanted, key=lambda alias: (alias == keys.PRODUCTION) == is_last):
            version = wanted[alias]
            if aliases.get(alias) == version:
                continue
            self.check()
            if version is None:
                self.client.delete_registered_model_alias(name, alias)
                del aliases[alias]
            else:
                self.client.set_registered_model_alias(name, alias, str(version))
                aliases[alias] = version

    def _set_tags(self, version: int, tags: Mapping[str, str]) -> None:
        for tag, value in tags.items():
            if self.known[version].get(tag) != value:
                self.check()
                self.client.set_model_version_tag(self.model.name, str(version), tag, value)
                self.known[version][tag] = value

    def _is_gone(self, plan: Plan) -> bool:
        """True where the version that was to go into production cannot serve any more."""
        version = plan.after[keys.PRODUCTION]
        is_moved = version is not None and version != plan.before[keys.PRODUCTION]
        return is_moved and not self.can_serve(version)

    def _or_none(self, version: int | None) -> int | None:
        return version if self.can_serve(version) else None

    def _replaced_by(self, version: int) -> int | None:
        """The version that `version` replaced when it was last promoted."""
        for event in reversed(self.model.history):
            if event["action"] == "promote" and event["version"] == version:
                return event.get("replaced")
        return None


@contextlib.contextmanager
def moving(name: str, action: str, *, may_be_new: bool = False) -> Iterator[Moving]:
    """Hold a registered model. A move that was cut short is finished first.

    Parameters
    ----------
    name
        Registered name.
    action
        What is done, in a word, for those who wait.
    may_be_new
        Make the model where there is none.

    Raises
    ------
    InputError
        When there is no such model.
    ScatdError
        When another process holds it for too long, or took it over.
    """
    client = connect()
    with lease.held(client, name, action) as held:
        model = state.read(client, name) if may_be_new else state.require(client, name)
        if model is None:
            client.create_registered_model(name)
            model = Model(name, {}, {})
            known = {}
        else:
            known = state.tags_of(state.versions(client, name))
        at_work = Moving(client, held, model, known)
        before = at_work.shown
        if at_work.done is not None:
            logger.warning("%s: its %s was complete", name, at_work.done.content["action"])
        at_work.finish_cut()
        at_work.notice()
        yield at_work
        if at_work.shown != before:
            at_work.check()
            described.describe(client, name, *at_work.shown)
