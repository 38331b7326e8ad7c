"""Demo cohorts: simulated raw counts with a known mechanism.

**Biology** (`world`; the same for every seed). Genes have log-normal means. Programmes change them:
one resistance programme for each drug (60 causal genes, up or down), state programmes, and cell
types. Bulk and single cells share all of these. The foreign cohort has its own cell types and
programmes, and unusual levels of the shared programmes.

**Response**. Activity of the drug's resistance programme plus noise, cut at a quantile. The
classes are nearly even for DOCETAXEL, mostly resistant for GEFITINIB, and rarely resistant for
CISPLATIN. The programmes also vary in the unlabelled reference.

**Measurement** (`counts`). Negative binomial counts. Single cells have few counts, lose genes,
and have batch or patient effects. A bulk sample is the sum of its cell types and has many counts.
It shows the change of each gene with a scale and an offset of this gene, drawn with the seed.

**Features** (`features`). A fixed saturating map of log-normalised expression replaces the
foundation models.

**Shift** (`cohorts.Shift`). Depth, dropout, patient effects and composition of the target can be
increased separately. The other cohorts and the mechanism of resistance do not change.

**Why a model without adaptation is worse**. Cell types and some states vary far more among cells
than among bulk samples. A classifier trained on raw bulk features uses features that vary little in
bulk and much in cells. If each bulk feature gets its mean and s.d. of the reference, most of this
effect is removed. An offset alone would not harm a linear model.
"""

from scatd.data.demo.cohorts import STRONG_SHIFTS, Shift
from scatd.data.demo.files import write_demo
from scatd.data.demo.simulate import COHORTS, DemoSettings, settings_of, simulate

__all__ = [
    "COHORTS",
    "STRONG_SHIFTS",
    "DemoSettings",
    "Shift",
    "settings_of",
    "simulate",
    "write_demo",
]
