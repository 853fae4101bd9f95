"""The literature's algorithms as plain functions, and the fixed-point driver they share with the channels.

Row i of every matrix is who is exposed, column j whom it is exposed to. A vector is one draw, a matrix with one column
more a block of draws; column k of the answer is the call with vector k, bit for bit. Every solver says what it reached.
"""

from __future__ import annotations

from sim.contagion.bounds import GlassermanYoung, glasserman_young
from sim.contagion.cascade import Cascade, cascade
from sim.contagion.clear import Clearing, clear
from sim.contagion.complex_contagion import ComplexContagion, complex_contagion, rumour_final_share, watts_window
from sim.contagion.cross_holdings import CrossHoldings, cross_holdings, dependency_matrix
from sim.contagion.debtrank import DebtRank, debtrank
from sim.contagion.deleveraging import Deleveraging, deleveraging
from sim.contagion.failover import Failover, dual_unavailability, failover, mean_outage, outage_exceedance
from sim.contagion.fire_sale import FireSale, fire_sale
from sim.contagion.funding_run import FundingRun, funding_run, outflow
from sim.contagion.global_game import RunThreshold, run_threshold
from sim.contagion.importance import (
    Importance,
    amplification,
    contagion_index,
    importance_ranking,
    single_defaults,
)
from sim.contagion.measures import (
    ImpactDiffusion,
    communicability,
    criticality,
    impact_diffusion,
    impact_fluidity,
    impact_susceptibility,
)
from sim.contagion.outage import Outage, Recovery, outage, recover, recovery_rate
from sim.contagion.outcome import Outcome
from sim.contagion.payments import Settlement, settle_payments
from sim.contagion.revalue import Valuation, revalue
from sim.contagion.stability import SpectralRadius, spectral_radius, stability_margin

__all__ = [
    "Cascade",
    "Clearing",
    "ComplexContagion",
    "CrossHoldings",
    "DebtRank",
    "Deleveraging",
    "Failover",
    "FireSale",
    "FundingRun",
    "GlassermanYoung",
    "ImpactDiffusion",
    "Importance",
    "Outage",
    "Outcome",
    "Recovery",
    "RunThreshold",
    "Settlement",
    "SpectralRadius",
    "Valuation",
    "amplification",
    "cascade",
    "clear",
    "communicability",
    "complex_contagion",
    "contagion_index",
    "criticality",
    "cross_holdings",
    "debtrank",
    "deleveraging",
    "dependency_matrix",
    "dual_unavailability",
    "failover",
    "fire_sale",
    "funding_run",
    "glasserman_young",
    "impact_diffusion",
    "impact_fluidity",
    "impact_susceptibility",
    "importance_ranking",
    "mean_outage",
    "outage",
    "outage_exceedance",
    "outflow",
    "recover",
    "recovery_rate",
    "revalue",
    "rumour_final_share",
    "run_threshold",
    "settle_payments",
    "single_defaults",
    "spectral_radius",
    "stability_margin",
    "watts_window",
]
