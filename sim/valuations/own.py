"""Our own valuations as records: what they are; the solvers have them compiled, and take their parameters."""

from __future__ import annotations

from typing import ClassVar

from sim.valuations.base import RULES, ValuationRule


class OwnRule(ValuationRule):
    """A valuation that the solvers know; its parameters are those of the channel, or of `sim.contagion.revalue`."""


def own(in_scenario: bool | None = None) -> list[str]:
    """Return the names of our own valuations.

    Parameters
    ----------
    in_scenario : bool, optional
        Only those that the credit channel takes, or only those that it does not.

    Returns
    -------
    list of str
        In the order in which they are written below.
    """
    kept = {name: RULES[name] for name in RULES if name not in RULES.others()}
    return [name for name, rule in kept.items() if in_scenario in (None, rule.in_scenario)]


@RULES.register("eisenberg-noe")
class EisenbergNoe(OwnRule):
    r"""Clearing: a failed debtor pays what it has, in proportion.

    .. math::
        V_j = 1 \text{ if } E_j \ge 0, \text{ else } \left(\frac{E_j + \bar p_j}{\bar p_j}\right)^+

    with all that j owes :math:`\bar p_j`.

    References
    ----------
    Eisenberg, L. and Noe, T. (2001), Systemic risk in financial systems, Management Science 47(2), 236-249, eq. 7.
    """


@RULES.register("rogers-veraart")
class RogersVeraart(OwnRule):
    r"""Clearing with costs of default: shares alpha and beta survive.

    .. math::
        V_j = 1 \text{ if } E_j \ge 0, \text{ else } \frac{(\alpha e_j + \beta \sum_k A_{jk} V_k)^+}{\bar p_j}

    with external assets :math:`e_j`, of which the share :math:`\alpha` survives, and claims on others, of which the
    share :math:`\beta` does.

    References
    ----------
    Rogers, L. and Veraart, L. (2013), Failure and rescue in an interbank network, Management Science 59(4), 882-898,
    eq. 2.
    """


@RULES.register("furfine")
class Furfine(OwnRule):
    r"""A claim on a failed debtor is worth the recovery rate.

    .. math::
        V_j = 1 \text{ if } E_j \ge 0, \text{ else } \rho

    References
    ----------
    Furfine, C. (2003), Interbank exposures: quantifying the risk of contagion, Journal of Money, Credit and Banking
    35(1), 111-128.
    """


@RULES.register("linear-debtrank")
class LinearDebtRank(OwnRule):
    r"""A claim loses value with its debtor's equity, before default.

    .. math::
        V_j = 1 - (1 - \rho) \min(1, \max(0, 1 - E_j / E^0_j))

    References
    ----------
    Bardoscia, M. et al. (2015), DebtRank: a microscopic foundation for shock propagation, PLoS ONE 10(6), eq. 7.
    """


@RULES.register("nonlinear-debtrank")
class NonlinearDebtRank(OwnRule):
    r"""A claim loses little value while its debtor has lost little equity, and more the more it has lost.

    .. math::
        V_j = 1 - (1 - \rho) \min(1, h_j e^{\alpha (h_j - 1)}), \quad h_j = \min(1, \max(0, 1 - E_j / E^0_j))

    :math:`\alpha = 0` is linear DebtRank.

    References
    ----------
    Bardoscia, M. et al. (2016), Distress propagation in complex networks: the case of non-linear DebtRank, PLoS ONE
    11(10), eq. 4.
    """

    in_scenario: ClassVar[bool] = False


@RULES.register("exante-merton")
class ExanteMerton(OwnRule):
    r"""Before maturity: a claim is worth what is expected of it, default being possible at maturity only.

    .. math::
        V = 1 - \Phi_+(u) + \rho \frac{e}{\bar p} \Big( \Phi_-(u) - \Phi_-(l) - l \, (\Phi_+(u) - \Phi_+(l)) \Big),
        \quad u = 1 - E / e, \quad l = 1 - (E + \bar p) / e

    Here :math:`\Phi_\pm(u) = \Phi((\ln u \pm \sigma^2 / 2) / \sigma)`, 0 of a negative number; external assets
    :math:`e` follow a geometric Brownian motion of volatility :math:`\sigma` up to maturity.

    References
    ----------
    Merton, R. (1974), On the pricing of corporate debt, Journal of Finance 29(2), 449-470; Barucca, P. et al. (2020),
    Network valuation in financial systems, Mathematical Finance 30(4), 1181-1204.
    """

    in_scenario: ClassVar[bool] = False


@RULES.register("exante-black-cox")
class ExanteBlackCox(OwnRule):
    r"""Before maturity: a claim is worth what is expected of it, default being possible at any time.

    .. math::
        V = 1 - (1 - \rho) \min\big(1, \Phi_+(u) + \Phi_-(u) / u\big) \text{ for } 0 < E < e, \quad u = 1 - E / e

    It is :math:`\rho` where equity is not positive, and 1 where it is not below the external assets :math:`e`. Here
    :math:`\Phi_\pm(u) = \Phi((\ln u \pm \sigma^2 / 2) / \sigma)`; external assets follow a geometric Brownian motion of
    volatility :math:`\sigma`, and an agent defaults when its equity first reaches zero.

    References
    ----------
    Black, F. and Cox, J. (1976), Valuing corporate securities, Journal of Finance 31(2), 351-367; Barucca, P. et al.
    (2020), Network valuation in financial systems, Mathematical Finance 30(4), 1181-1204.
    """

    in_scenario: ClassVar[bool] = False
