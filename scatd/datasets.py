"""Data sets to try scatd with: the simulated demo cohorts."""

from __future__ import annotations

import html
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scatd.data.demo_files import DEMO_PARTS, demo_file, existing_demo
from scatd.keys import DEMO_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData


def demo(*, seed: int = 0, folder: str | Path | None = None) -> Demo:
    """Return the simulated demo cohorts: made-up data with a known mechanism of resistance.

    They are the same cells as those of the command `scatd demo`. Where the working folder has its
    files (`scatd-demo`) of the same seed, they are read. Else the cohorts are simulated in memory,
    when one of them is first asked for. This takes a few seconds, and writes nothing.

    Parameters
    ----------
    seed
        Decides which samples and cells are drawn. The biology is the same for every seed.
    folder
        Keep the cohorts as `.h5ad` files in this folder, and read them from there. It is made if
        needed.

    Returns
    -------
    Demo
        `source` (labelled bulk samples), `reference` (unlabelled cells), `target` (cells with their
        truth), `target_raw` (the target with Ensembl ids, without features) and `foreign` (cells
        that run other programmes). `X` holds raw counts, sparse float32 (n_obs, n_genes).

    Raises
    ------
    InputError
        When the seed is negative, or the folder holds the demo of another seed or cannot be
        written to.

    Examples
    --------
    >>> import scatd
    >>> cohorts = scatd.datasets.demo()
    >>> adata = cohorts.target
    >>> scatd.predict(adata, drug="docetaxel")  # doctest: +SKIP
    """
    from scatd.data.demo import DemoSettings

    settings = DemoSettings(seed=seed)  # refuses a negative seed
    if folder is None:
        files = existing_demo(settings.seed, Path(DEMO_FOLDER).resolve())
    else:
        where = Path(folder).resolve()
        files = {part: demo_file(part, seed=seed, folder=where) for part in DEMO_PARTS}
    return Demo(settings.seed, files)


class Demo:
    """The simulated demo cohorts: each is read or made when it is first asked for, and then kept.

    Changes to a cohort, such as scores, stay in this object. Ask `scatd.datasets.demo` again for
    untouched ones.

    Parameters
    ----------
    seed
        Of the simulation.
    files
        Files to read, by cohort; None simulates them.
    """

    def __init__(self, seed: int, files: dict[str, Path] | None) -> None:
        self.seed = seed
        self._files = files

    @cached_property
    def source(self) -> AnnData:
        """Labelled bulk samples: one column of responses for each drug in `obs`."""
        return self._cohort("source")

    @cached_property
    def reference(self) -> AnnData:
        """Unlabelled single cells, in several batches."""
        return self._cohort("reference")

    @cached_property
    def target(self) -> AnnData:
        """Single cells of several patients, with their truth in `obs["truth_{drug}"]`."""
        return self._cohort("target")

    @cached_property
    def target_raw(self) -> AnnData:
        """The target as raw counts with Ensembl ids, without features."""
        return self._cohort("target_raw")

    @cached_property
    def foreign(self) -> AnnData:
        """Single cells of other types, which no model of the demo has learned from."""
        return self._cohort("foreign")

    def _cohort(self, part: str) -> AnnData:
        if self._files is None:
            return self._simulated[part]
        import anndata

        return anndata.read_h5ad(self._files[part])

    @cached_property
    def _simulated(self) -> dict[str, AnnData]:
        from scatd.data.demo import DemoSettings, simulate

        return simulate(DemoSettings(seed=self.seed))

    @property
    def _place(self) -> str:
        if self._files is None:
            return "simulated in memory when first asked for"
        return f"files in {self._files['source'].parent}"

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        """Name, size and content of each cohort; those that are not there yet have no size."""
        from scatd.data.demo import COHORTS

        for part, content in COHORTS.items():
            held = self.__dict__.get(part)
            size = "" if held is None else f"{held.n_obs:,} x {held.n_vars:,}"
            yield part, size, content

    def __repr__(self) -> str:
        rows = "\n".join(f"  .{part:<11} {size:<14}{what}" for part, size, what in self._rows())
        return f"{_TITLE} (seed {self.seed}; {self._place})\n{rows}\n{_CAUTION}"

    def _repr_html_(self) -> str:
        head = "<tr><th>cohort</th><th>observations x genes</th><th>content</th></tr>"
        rows = "".join(
            f"<tr><td><code>.{part}</code></td><td>{size or 'not loaded yet'}</td>"
            f"<td>{html.escape(what)}</td></tr>"
            for part, size, what in self._rows()
        )
        about = html.escape(f"seed {self.seed}; {self._place}")
        return (
            f"<p><b>{_TITLE}</b> ({about})</p><table>{head}{rows}</table>"
            f"<p>{html.escape(_CAUTION)}</p>"
        )


_TITLE = "Simulated demo cohorts"
_CAUTION = "Made-up data with a known mechanism: they say nothing about any patient."
