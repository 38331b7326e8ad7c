"""What the page says about a refusal: the only place with these texts.

They are for people who do not program. Each says what is wrong, and what to do on the page or whom
to ask. They hold no option and no command; programs get the messages of the refusals themselves.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from scatd.errors import FaultKind
from scatd.serving.refusals import Fault, Refusal, Trouble

PATHS = ("/jobs", "/library")
"""Beginnings of the addresses that only the page asks for."""
_OWNER = "the person who runs this server"
_LATER = f"Try again in a minute. If it stays so, tell {_OWNER}."
_FEWER = "Save fewer cells in one file, and score the files one after the other."
_COMMANDS = re.compile(r"--|`|\bscatd |\bpip\b|\w\(|\badata\b|\bobsm?\b|\bvar\b")


@dataclass(frozen=True)
class Words:
    """The text for one kind of fault.

    Parameters
    ----------
    what
        What is wrong. `{file}` is the name of the file; other names are facts of the fault.
    do
        What to do now.
    has_details
        Whether the text also says what was found in the file.
    """

    what: str
    do: str
    has_details: bool = False


GENERAL = Words(
    "{file} could not be scored.",
    "Check that it holds single cells of a human tumour, with raw counts. If it does, tell "
    f"{_OWNER} the name of the file and the time.",
)
WORDS: dict[str, Words] = {
    FaultKind.OTHER: GENERAL,
    FaultKind.DAMAGED: Words(
        "{file} cannot be read. It may be damaged, or its copy may have ended too early.",
        "Copy the file again, or save it again in the program that made it. Then choose it here.",
    ),
    FaultKind.LINKS: Words(
        "{file} takes some of its values from other files, which are not here.",
        "Save one file that holds all of its values, and choose that one.",
    ),
    FaultKind.NO_MEMORY: Words(
        "{file} needs more memory than a file may use on this server.", _FEWER
    ),
    FaultKind.OTHER_STORE: Words(
        "{file} does not hold a cohort of cells.",
        "Choose an AnnData file (.h5ad), or the file filtered_feature_bc_matrix.h5 of Cell Ranger.",
        has_details=True,
    ),
    FaultKind.NO_TEXT: Words(
        "{file} is not a table of text.",
        "Save it as csv or tsv in the program that made it, and choose that file.",
        has_details=True,
    ),
    FaultKind.ENCODING: Words(
        "Some letters in {file} cannot be read, because it is not stored as UTF-8.",
        "Open it in a spreadsheet or a text editor, save it with the encoding UTF-8, and choose it "
        "again.",
    ),
    FaultKind.TABLE: Words(
        "The table in {file} cannot be read as it is.",
        "Correct this in the program that made the table, and choose the file again. The table "
        "needs one row of titles, one row for each cell and one column for each gene, or the other "
        "way round.",
        has_details=True,
    ),
    FaultKind.IDS: Words(
        "The names of the cells in {file} cannot be used.",
        "Give every cell a name of its own, and choose the file again.",
        has_details=True,
    ),
    FaultKind.WIDTH: Words(
        "{file} has another number of values for each cell than the model reads.",
        "Choose a file with raw counts, or one that was made for this model. If you do not know "
        f"which this is, ask {_OWNER}.",
        has_details=True,
    ),
    FaultKind.VALUES: Words(
        "{file} holds values that no model can read.",
        "Remove these cells, or correct the step that made the values. Then choose the file again.",
        has_details=True,
    ),
    FaultKind.NO_EXPRESSION: Words(
        "{file} holds no counts of genes that could be scored.",
        "Check that you chose the file with the counts.",
        has_details=True,
    ),
    FaultKind.SCALE: Words(
        "The values in {file} are not on a scale that the model reads.",
        "Save the raw counts in the file: whole numbers, before any normalisation. In an AnnData "
        "file they belong into X, or into the layer named counts.",
        has_details=True,
    ),
    FaultKind.SEVERAL_MATRICES: Words(
        "{file} holds several matrices, and it is not clear which one holds the raw counts.",
        "Save a file that holds the raw counts only, and choose that one.",
        has_details=True,
    ),
    FaultKind.SEVERAL_GENOMES: Words(
        "{file} holds the counts of several genomes.",
        "Save the counts of the human genome in a file of their own, and choose that one.",
        has_details=True,
    ),
    FaultKind.NO_GENE_NAMES: Words(
        "The genes in {file} do not have names that can be used.",
        "Name the genes by their symbols or their Ensembl ids, and choose the file again.",
        has_details=True,
    ),
    FaultKind.FEW_GENES: Words(
        "{file} holds too few of the genes that the model reads.",
        "Choose a file with all genes that were measured, not with a selection. The genes must be "
        "human, and named by their symbols or their Ensembl ids.",
        has_details=True,
    ),
    FaultKind.SPECIES: Words(
        "The genes in {file} are not human.",
        "The models on this server read human cells only. Genes of another species must first be "
        "translated into those of man: ask a bioinformatician.",
        has_details=True,
    ),
    FaultKind.NO_EMBEDDING: Words(
        "{file} does not hold what this model reads.",
        f"Choose a file with raw counts, or ask {_OWNER} how the file has to be prepared.",
    ),
    FaultKind.NO_WEIGHTS: Words(
        "This server cannot read {file} with the chosen model. A large model that prepares raw "
        "counts is missing on the server.",
        f"Choose another drug, or ask {_OWNER} to install the missing model.",
    ),
    FaultKind.SIMULATED: Words(
        "{file} and the model do not fit together: one is simulated, and the other one is real.",
        f"Choose another file or another drug. Ask {_OWNER} if you want to try simulated data.",
    ),
    Trouble.MALFORMED: Words(
        "The server did not understand what the browser sent.",
        f"Load the page again. If it stays so, tell {_OWNER}.",
    ),
    Trouble.ELSEWHERE: Words(
        "The request did not come from the page of this server.",
        "Open the page by the address that you were given, and try again there.",
    ),
    Trouble.TOKEN: Words(
        "The access token is missing or wrong.",
        f"Type the token again. {_OWNER.capitalize()} can tell you what it is.",
    ),
    Trouble.NO_DRUG: Words(
        "A drug that you chose has no model in production any more.",
        "Load the page again, and choose a drug from its list.",
    ),
    Trouble.NO_SUCH_MODELS: Words(
        "These drugs cannot be scored together.",
        "Choose one model for each drug, and not more than {most} drugs.",
    ),
    Trouble.NO_JOB: Words(
        "This result is not on the server any more. Results are removed after half an hour.",
        "Score the file again.",
    ),
    Trouble.NO_FILE: Words(
        "This part of the result is not on the server.",
        "Score the file again.",
    ),
    Trouble.NO_GROUPS: Words(
        "The cells cannot be grouped by this column.",
        "Choose another column.",
    ),
    Trouble.EMPTY_UPLOAD: Words("{file} is empty.", "Choose a file that holds cells."),
    Trouble.UNKNOWN_KIND: Words(
        "{file} is of a kind that cannot be read here.",
        "Choose an AnnData file (.h5ad), a 10x file (.h5), a table (.csv, .tsv or .parquet), an "
        "array (.npy) or JSON. If its name ends in .gz or .zip, unpack it first.",
    ),
    Trouble.LARGE_FILE: Words(
        "{file} is larger than {limit}, and this server takes no larger files.", _FEWER
    ),
    Trouble.LARGE_CONTENT: Words(
        "{file} holds more than {limit} when it is unpacked, and this server takes no more.",
        _FEWER,
    ),
    Trouble.ODD_CONTENT: Words(
        "{file} holds things that no file of cells needs.",
        "Save only the cells, their genes and their counts in the file, and choose it again.",
    ),
    Trouble.JSON_TABLE: Words(
        "The JSON in {file} does not hold a table of features.",
        "Choose a file of another kind, or ask the person who made it.",
    ),
    Trouble.SLOW_UPLOAD: Words(
        "The file was sent too slowly, and the server did not wait any longer.",
        "Check your connection, and try again. A smaller file may also help.",
    ),
    Trouble.TOO_SLOW: Words(
        "{file} took longer than {seconds}, which is the limit of this server.",
        f"{_FEWER} Or choose fewer drugs.",
    ),
    Trouble.BUSY: Words(
        "The server is busy with other files.", "Wait a minute, and press the button again."
    ),
    Trouble.STOPPING: Words(
        "The server is about to stop.", f"Try again later. If it stays so, ask {_OWNER}."
    ),
    Trouble.NO_ROOM: Words("The server has no room for this file now.", _LATER),
    Trouble.NO_REGISTRY: Words("The server cannot read its list of models now.", _LATER),
    Trouble.MODEL_GONE: Words(
        "The model of this drug is missing on the server, or it was changed there.",
        f"Tell {_OWNER}. Until then, choose another drug.",
    ),
    Trouble.STORE_AWAY: Words("The place where the models are stored does not answer.", _LATER),
    Trouble.FAULT: Words(
        "Something went wrong in the server.", f"Tell {_OWNER} this number: {{number}}."
    ),
}
"""The text of each kind of fault."""


def is_for_page(path: str) -> bool:
    """Whether the page asks for an address, and not a program."""
    return path.startswith(PATHS)


def told(refusal: Refusal, file: str = "") -> str:
    """The text of a refusal for the page, one sentence or two a line.

    Parameters
    ----------
    file
        Name of the file as the user knows it; empty where the refusal is not about one.
    """
    lines = [line for fault in refusal.faults for line in _lines(fault, file or "The file")]
    return "\n".join(dict.fromkeys(lines))


def _lines(fault: Fault, file: str) -> list[str]:
    words = WORDS.get(fault.kind, GENERAL)
    facts = defaultdict(str, {**fault.facts, "file": file})
    lines = [words.what.format_map(facts)]
    found = facts["found"].strip().rstrip(".")
    # What a reader found is told in its own words, unless they are those of a programmer.
    if words.has_details and found and not _COMMANDS.search(found):
        lines.append(f"Details: {found}.")
    return [*lines, words.do.format_map(facts)]
