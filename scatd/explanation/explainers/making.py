"""The explainer of what scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scatd.candidates.candidate import Candidate
from scatd.candidates.linear import Linear
from scatd.candidates.mean import Mean
from scatd.candidates.network import Network
from scatd.candidates.trees import Trees
from scatd.explanation.explainers.explainer import Explainer, OddsExplainer
from scatd.explanation.explainers.linear import LinearExplainer, latent_odds
from scatd.explanation.explainers.network import NetworkExplainer, PathOdds
from scatd.explanation.explainers.parts import Part, SumExplainer
from scatd.explanation.explainers.trees import TreesExplainer
from scatd.explanation.linear_path import LinearPath
from scatd.explanation.settings import Logits
from scatd.nn.classifier import ResponseClassifier


def explainer_of(
    members: Sequence[Candidate], network: ResponseClassifier, logits: Logits
) -> Explainer:
    """Explain what a response model is scored by.

    Parameters
    ----------
    members
        Networks, or one candidate of another kind.
    network
        Its encoder gives the latent.
    logits
        "raw": the logits of a network, or the log odds of another candidate. "centred": half the
        log odds of any candidate.
    """
    is_centred = logits == "centred"
    networks = [one.model for one in members if isinstance(one, Network)]
    if networks:
        return NetworkExplainer(LinearPath(networks, centred=is_centred))
    (candidate,) = members
    return replace(_odds_of(candidate, network), scale=0.5 if is_centred else 1.0)


def _odds_of(candidate: Candidate, network: ResponseClassifier) -> OddsExplainer:
    """Explain the log odds of a candidate."""
    if isinstance(candidate, Trees):
        return TreesExplainer(model=candidate, n_features=network.sizes.n_features)
    if isinstance(candidate, Linear):
        own = LinearExplainer(model=candidate)
        if candidate.latent_weights is None:
            return own
        latent = latent_odds(candidate.latent_weights, network)
        return SumExplainer(parts=(Part(own, 1.0), Part(latent, 1.0)), intercept=0.0)
    if isinstance(candidate, Mean):
        share = candidate.slope / len(candidate.parts)
        parts = [Part(_odds_of(part, network), share) for part in candidate.parts]
        return SumExplainer(parts=parts, intercept=candidate.intercept)
    if isinstance(candidate, Network):
        return PathOdds(path=LinearPath([candidate.model], centred=True))
    msg = f"candidate {candidate.name} has no explainer"
    raise NotImplementedError(msg)
