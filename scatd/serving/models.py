"""The production model of each drug, updated when the registry changes."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

from scatd import keys, registry
from scatd.data.drugs import resolve_drug
from scatd.errors import InputError
from scatd.registry import ModelRef
from scatd.scoring import Scorer

logger = logging.getLogger(__name__)

_MOST_LOADED = 16


@dataclass(frozen=True, eq=False)
class LiveModel:
    """One loaded version. A request uses the same one from its first cell to its last."""

    ref: ModelRef
    scorer: Scorer


class LiveModels:
    """The production version of each drug, and the versions that are loaded.

    `refresh` reads the registry. A version is loaded at the first request for it. If it replaces a
    loaded version, it is loaded before that, so no request waits after a promotion. A version that
    cannot be loaded does not replace the old one.

    Parameters
    ----------
    device
        Device on which the models compute.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._production: dict[str, dict[str, ModelRef]] = {}
        self._loaded: OrderedDict[tuple[str, int], LiveModel] = OrderedDict()
        self._loading = threading.Lock()

    def refresh(self) -> list[ModelRef]:
        """Read which versions are in production, and return the new ones."""
        before = {ref.name: ref for refs in self._production.values() for ref in refs.values()}
        found: dict[str, dict[str, ModelRef]] = {}
        changed = []
        for name, version in registry.production_versions().items():
            ref = before.get(name)
            if ref is None or ref.version != version:
                was, ref = ref, self._found(name, ref)
                if ref is None:
                    continue
                ref = self._ready(ref, was)
                changed += [] if ref is was else [ref]
            found.setdefault(ref.drug, {})[ref.family] = ref
        self._production = found  # one assignment: a request sees the old or the new state
        return changed

    def refs(self) -> list[ModelRef]:
        """All production versions, by drug, and by the drug's order of families."""
        production = self._production
        return [
            production[drug][family]
            for drug in sorted(production)
            for family in _order(drug, production[drug])
        ]

    def find(self, drug: str, family: str | None = None) -> ModelRef:
        """The production version of a drug, whose name may have any spelling.

        Raises
        ------
        InputError
            If there is none.
        """
        production = self._production
        key = resolve_drug(drug, production)
        order = _order(key, production[key])
        if family is not None and family not in order:
            what = f"drug '{key}' has no production model of family '{family}'"
            raise InputError(what, expected=" or ".join(order))
        return production[key][family or order[0]]

    def load(self, ref: ModelRef) -> LiveModel:
        """The model of a version. Sixteen stay loaded; the one unused for longest is dropped.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        with self._loading:
            model = self._loaded.get((ref.name, ref.version))
            if model is None:
                model = LiveModel(ref, Scorer(registry.read(ref), self._device))
                self._loaded[ref.name, ref.version] = model
            self._loaded.move_to_end((ref.name, ref.version))
            while len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
            return model

    def _found(self, name: str, was: ModelRef | None) -> ModelRef | None:
        """The version in production; the old one where the new one is not described."""
        try:
            return registry.find(name, keys.PRODUCTION)
        except InputError:  # one bad entry must not hide the others
            logger.exception("version cannot be used", extra={"model": name})
            return was

    def _ready(self, ref: ModelRef, was: ModelRef | None) -> ModelRef:
        """The new version, loaded if the old one was loaded; the old one if loading fails."""
        if was is None or ref is was or (was.name, was.version) not in self._loaded:
            return ref
        try:
            self.load(ref)
        except (InputError, OSError, RuntimeError):
            logger.exception("version cannot be loaded", extra={"model": ref.name})
            return was
        self._loaded.pop((was.name, was.version), None)
        return ref


def _order(drug: str, families: dict[str, ModelRef]) -> list[str]:
    preferred = [family for family in registry.load_config(drug).families if family in families]
    return preferred + sorted(set(families) - set(preferred))
