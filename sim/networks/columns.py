"""The tables of a system, column by column: what may stand in each, and which columns become traits of agents."""

from __future__ import annotations

from collections.abc import Mapping

from sim.networks.cells import ColumnRule

_AMOUNT, _NUMBER, _SHARE = ColumnRule("amount"), ColumnRule("number"), ColumnRule("share")
_TEXT, _NAME, _IMPUTED = ColumnRule("text"), ColumnRule("id"), ColumnRule("names")
_KEY, _REFERENCE = ColumnRule("id", required=True, unique=True), ColumnRule("id", required=True)
_NEEDED, _PART = ColumnRule("amount", required=True), ColumnRule("share", required=True)

LABELS = ("name", "country", "kind")
"""Columns of agents that describe them to a reader."""

TRAITS: Mapping[str, tuple[str, str]] = {
    "rwa": ("currency", "Risk-weighted assets"),
    "cet1": ("currency", "Common equity tier 1 capital"),
    "tier1": ("currency", "Tier 1 capital"),
    "leverage_ratio": ("1", "Tier 1 capital over the leverage exposure"),
    "lcr": ("1", "Liquidity coverage ratio"),
    "revenue": ("currency a year", "Income from fees and services"),
    "turnover": ("currency a year", "Turnover that fines are measured by"),
    "headroom": ("1", "Spare capacity as a share of the normal load"),
    "adoption": ("1", "How far digital services are taken up"),
    "reach": ("1", "Share of the public that news on a platform reaches"),
    "gap": ("1", "How far compliance is below the standard"),
    "posture": ("1", "Security posture, 1 is best practice"),
    "own_share": ("1", "What a platform funds of its pool itself"),
    "guarantee": ("1", "First-loss guarantee as a share of what others fund of a platform's pool"),
    "support": ("1", "Readiness of a sponsor to support its funds"),
}
"""Columns of agents that do not change during a run -> unit and meaning; 0 where a table says nothing."""

_DESCRIBED = {"id": _KEY, "name": _TEXT, "country": _TEXT, "kind": _NAME}
_TRAITS = {
    "revenue": _AMOUNT,
    "turnover": _AMOUNT,
    "headroom": _AMOUNT,
    "adoption": _SHARE,
    "gap": _AMOUNT,
    "posture": _SHARE,
}

BANKS = {
    **_DESCRIBED,
    "total_assets": _NEEDED,
    "equity": ColumnRule("number", required=True),
    "cash": _AMOUNT,
    "real_assets": _AMOUNT,
    "loans": _AMOUNT,
    "deposits_insured": _AMOUNT,
    "deposits_uninsured": _AMOUNT,
    "deposits_wholesale": _AMOUNT,
    "subordinated": _AMOUNT,
    "other_liabilities": _AMOUNT,
    "interbank_assets": _AMOUNT,
    "interbank_liabilities": _AMOUNT,
    "overnight_assets": _AMOUNT,
    "overnight_liabilities": _AMOUNT,
    "rwa": _AMOUNT,
    "cet1": _NUMBER,
    "tier1": _NUMBER,
    "leverage_ratio": _NUMBER,
    "lcr": _AMOUNT,
    **_TRAITS,
    "imputed": _IMPUTED,
}
"""Columns of ``banks.csv``; amounts in the currency unit of the scenario."""

TECH_FIRMS = {
    **_DESCRIBED,
    "total_assets": _NEEDED,
    "equity": ColumnRule("number", required=True),
    "cash": _AMOUNT,
    "accounts": _AMOUNT,
    "borrowed": _AMOUNT,
    "real_assets": _AMOUNT,
    "other_liabilities": _AMOUNT,
    **_TRAITS,
    "imputed": _IMPUTED,
}
"""Columns of ``tech_firms.csv``: `accounts` is held at banks, `borrowed` is owed to banks."""

PLATFORMS = {
    **TECH_FIRMS,
    "emoney": _AMOUNT,
    "pool": _AMOUNT,
    "own_share": _SHARE,
    "guarantee": _SHARE,
    "reach": _SHARE,
    "support": _SHARE,
}
"""Columns of ``platforms.csv``: `pool` is the stock of loans that the platform originated and funds with others."""

FUNDS = {
    **_DESCRIBED,
    "total_assets": _AMOUNT,
    "cash": _AMOUNT,
    "accounts": _AMOUNT,
    "sponsor": _NAME,
    **_TRAITS,
    "imputed": _IMPUTED,
}
"""Columns of ``funds.csv``; a fund has no equity, its shares are worth what it owns."""

EXPOSURES = {
    "creditor": _REFERENCE,
    "debtor": _REFERENCE,
    "amount": ColumnRule("amount", required=True, hint="a claim the other way goes on its own row"),
    "layer": _NAME,
    "imputed": _IMPUTED,
}
"""Columns of ``exposures.csv``."""

HOLDINGS = {
    "agent": _REFERENCE,
    "asset": _REFERENCE,
    "amount": _NEEDED,
    "fair_value_share": _SHARE,
    "imputed": _IMPUTED,
}
"""Columns of ``holdings.csv``."""

ASSETS = {
    "asset": _KEY,
    "name": _TEXT,
    "depth": _NEEDED,
    "issuer": _NAME,
    "price_floor": _SHARE,
    "class": _NAME,
    "imputed": _IMPUTED,
}
"""Columns of ``assets.csv``; depth in the currency unit: sales that take the whole price under linear impact."""

SERVICES = {
    "user": _REFERENCE,
    "provider": _REFERENCE,
    "function": _REFERENCE,
    "share": _PART,
    "criticality": _PART,
    "backup": _SHARE,
    "imputed": _IMPUTED,
}
"""Columns of ``services.csv``; criticality and backup belong to user and function, the same on all their rows."""

POOLS = {"platform": _REFERENCE, "funder": _REFERENCE, "share": _PART, "imputed": _IMPUTED}
"""Columns of ``pools.csv``; the shares of a platform's pool, its own among them, add to 1."""

PAYMENTS = {"payer": _REFERENCE, "payee": _REFERENCE, "amount": _NEEDED, "imputed": _IMPUTED}
"""Columns of ``payments.csv``, currency a day."""

DISTRIBUTION = {"bank": _REFERENCE, "platform": _REFERENCE, "share": _PART, "imputed": _IMPUTED}
"""Columns of ``distribution.csv``: the part of a bank's deposits that a platform has brought."""

RULES: Mapping[str, Mapping[str, ColumnRule]] = {
    "banks": BANKS,
    "tech_firms": TECH_FIRMS,
    "platforms": PLATFORMS,
    "funds": FUNDS,
    "exposures": EXPOSURES,
    "holdings": HOLDINGS,
    "assets": ASSETS,
    "services": SERVICES,
    "pools": POOLS,
    "payments": PAYMENTS,
    "distribution": DISTRIBUTION,
}
"""Columns by table, as in the files of a system folder and in data frames."""
