"""Log lines in JSON, one for each event, without anything about the scored cells.

A line holds only named fields. Texts of errors and warnings are left out, because they may quote a
barcode, a path or a value. The place in the code is enough to find an error.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
import traceback
from typing import Any

LOGGER = logging.getLogger("scatd.serving")


def event(name: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log one event with its fields."""
    LOGGER.log(level, name, extra={"fields": fields})


def failure(name: str, error: BaseException, **fields: Any) -> None:
    """Log the type of an error and its last places in the code, without its text."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
    event(name, level=logging.ERROR, error=type(error).__name__, at=places, **fields)


class JsonLines(logging.Formatter):
    """Format each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (UTC), level, event, and the fields of `event`."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": str(record.msg),
            **getattr(record, "fields", {}),
        }
        return json.dumps(line, default=str)


def begin() -> None:
    """Send the events of this module to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    LOGGER.handlers = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def only_events() -> None:
    """Send the events of this module to stderr, and drop all other log messages."""
    begin()
    for name in ("", "scatd", "uvicorn", "uvicorn.error", "mlflow"):
        logging.getLogger(name).handlers = [logging.NullHandler()]
    logging.captureWarnings(capture=True)
