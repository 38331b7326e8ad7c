"""Simulated and real data are never mixed: made-up data must not decide about a patient."""

from __future__ import annotations

from collections.abc import Mapping

from scatd.errors import FaultKind, InputError, of_kind


@of_kind(FaultKind.SIMULATED)
def refuse_mixing(simulated: Mapping[str, bool], *, allowed: bool) -> None:
    """Refuse to mix simulated and real data, backbones and models.

    Parameters
    ----------
    simulated
        True for each thing that is simulated, by the name that the message uses.
    allowed
        Value of `--allow-simulated`.

    Raises
    ------
    InputError
        When some are simulated and some are not.
    """
    if allowed or len(set(simulated.values())) < 2:
        return
    made_up = ", ".join(name for name, is_simulated in simulated.items() if is_simulated)
    real = ", ".join(name for name, is_simulated in simulated.items() if not is_simulated)
    raise InputError(
        f"simulated ({made_up}) and real ({real}) cannot be mixed",
        expected="both real, or both simulated",
        remedy="A number from made-up data means nothing for a patient; to do it all the same, "
        "add --allow-simulated.",
    )
