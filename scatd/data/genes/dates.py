"""Gene names that a spreadsheet has changed to dates: `1-Mar` was MARCHF1, `9-Sep` SEPTIN9."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import filterfalse

_MONTHS = (
    *("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"),
    *("march", "april", "september", "october", "november", "december"),
    *("mär", "mrz", "mai", "okt", "dez", "mars", "avr", "déc", "ago", "set", "dic", "mrt"),
)
_MONTH = rf"(?:{'|'.join(_MONTHS)})\.?"
_YEAR = r"(?:\d{2}|(?:19|20)\d{2})"
_DATE = re.compile(
    rf"x?\d{{1,2}}[-. /]+{_MONTH}(?:[-. /]{_YEAR})?"  # 1-Mar, 01. Mrz, 2-Sep-21, X1.Mar
    rf"|{_MONTH}[-. /]\d{{2}}(?:[-. /]{_YEAR})?"  # Mar-01; a copy of JUN is JUN-1
    r"|(?:19|20)\d{2}[-./]\d{1,2}[-./]\d{1,2}(?:[ T]00:00(?::00)?)?"  # 2021-03-01
    r"|\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d{2}(?: 00:00(?::00)?)?",  # 01/03/2021
    re.IGNORECASE,
)
_EPOCH = date(1899, 12, 30)
"""Day 0 of a spreadsheet's serial numbers."""
_DAYS_OF_GENES = {3: 11, 9: 15, 10: 11, 12: 2}
"""Last day of each month that is a gene: MARCH1 to 11, SEPT1 to 15, OCT1 to 11, DEC1 and 2."""


def spreadsheet_dates(names: Iterable[str]) -> list[str]:
    """The names that are dates, or serial numbers of dates (43891) among words."""
    named = list(names)
    # Every date has a sign between its parts: most names are not compared with the pattern.
    with_signs = filterfalse(str.isalnum, named)
    dates = {name for name in with_signs if _DATE.fullmatch(name.strip())}
    numbers = [*filter(str.isdecimal, named)]
    if len(numbers) <= len(named) / 10:  # Entrez ids are numbers too
        dates.update(filter(_is_serial, numbers))
    return [name for name in named if name in dates] if dates else []


def _is_serial(name: str) -> bool:
    if not (len(name) == 5 and 32874 <= int(name) <= 54789):  # 1990 to 2050
        return False
    day = _EPOCH + timedelta(days=int(name))
    return day.day <= _DAYS_OF_GENES.get(day.month, 0)
