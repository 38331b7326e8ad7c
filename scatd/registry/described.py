"""The description of a registered model: the evidence of the version that serves, in words."""

from __future__ import annotations

import logging

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from scatd.tracking import raise_if_lost

logger = logging.getLogger(__name__)

SIGNED = "scatd writes this text when the version changes. A text of your own is kept."


def describe(client: MlflowClient, name: str, production: int | None, newest: int | None) -> None:
    """Write the description of a registered model, unless a user has written one.

    A user who may not edit it, or a store that refuses, does not end the command: the move is done.

    Parameters
    ----------
    production, newest
        Numbers of the version in production and of the newest one that has its files.
    """
    version = newest if production is None else production
    if version is None:
        return
    try:
        now = client.get_registered_model(name).description or ""
        if now and SIGNED not in now:
            return
        found = client.get_model_version(name, str(version))
        stage = "the newest, at staging" if production is None else "in production"
        text = f"**Version {version}, {stage}.** {found.description or ''}\n\n*{SIGNED}*"
        if text != now:
            client.update_registered_model(name, text)
    except MlflowException as error:
        raise_if_lost(error)
        logger.debug("%s has no new description: %s", name, error)
