"""What securities stand at in the books, and what they would bring."""

from __future__ import annotations

from sim.arrays import Bool, Float
from sim.kernels.jit import kernel


@kernel
def value_holdings(units: Float, fair_value: Float, price: Float, book_out: Float, market_out: Float) -> None:
    r"""Value holdings twice: :math:`\sum_a q_{ia} (f_{ia} p_a + 1 - f_{ia})` and :math:`\sum_a q_{ia} p_a`.

    Parameters
    ----------
    units : float64[n_rows, n_assets, n_lanes], pieces
        Cost 1 a piece; issuers negative.
    fair_value : float64[n_rows, n_assets], 1
        Share marked to market.
    price : float64[n_assets, n_lanes], currency per piece
        Market prices.
    book_out, market_out : float64[n_rows, n_lanes], currency
        Overwritten; assets are added in their order.
    """
    for i in range(units.shape[0]):
        for lane in range(units.shape[2]):
            book_out[i, lane] = 0.0
            market_out[i, lane] = 0.0
        for asset in range(units.shape[1]):
            share = fair_value[i, asset]
            for lane in range(units.shape[2]):
                held = units[i, asset, lane]
                book_out[i, lane] += held * (share * price[asset, lane] + (1.0 - share))
                market_out[i, lane] += held * price[asset, lane]


@kernel
def appraise(
    units: Float, fair_value: Float, price: Float, traded: Bool, book_out: Float, market_out: Float, traded_out: Float
) -> None:
    r"""Value holdings as `value_holdings` does, and what has a market: :math:`\sum_{a \in T} \max(q_{ia}, 0) p_a`.

    Parameters
    ----------
    units : float64[n_rows, n_assets, n_lanes], pieces
        Cost 1 a piece; issuers negative.
    fair_value : float64[n_rows, n_assets], 1
        Share marked to market.
    price : float64[n_assets, n_lanes], currency per piece
        Market prices.
    traded : bool[n_assets]
        Whether an asset has a market.
    book_out, market_out, traded_out : float64[n_rows, n_lanes], currency
        Overwritten; assets are added in their order.
    """
    for i in range(units.shape[0]):
        for lane in range(units.shape[2]):
            book_out[i, lane] = 0.0
            market_out[i, lane] = 0.0
            traded_out[i, lane] = 0.0
        for asset in range(units.shape[1]):
            share = fair_value[i, asset]
            for lane in range(units.shape[2]):
                held = units[i, asset, lane]
                book_out[i, lane] += held * (share * price[asset, lane] + (1.0 - share))
                market_out[i, lane] += held * price[asset, lane]
            if traded[asset]:
                for lane in range(units.shape[2]):
                    traded_out[i, lane] += max(units[i, asset, lane], 0.0) * price[asset, lane]


@kernel
def value_issued(units: Float, shares: Bool, price: Float, n_people: int, out: Float) -> None:
    r"""Value the shares that agents have issued: :math:`-\sum_{a \in S} \min(q_{ia}, 0) p_a`.

    Parameters
    ----------
    units : float64[n_rows, n_assets, n_lanes], pieces
        Issuers negative.
    shares : bool[n_assets]
        Whether an asset is a share in its issuer.
    price : float64[n_assets, n_lanes], currency per piece
        Market prices.
    n_people : int
        Rows from here on are sectors, whose shares are not counted.
    out : float64[n_rows, n_lanes], currency
        Overwritten; assets are taken off in their order.
    """
    for i in range(units.shape[0]):
        for lane in range(units.shape[2]):
            out[i, lane] = 0.0
        if i >= n_people:
            continue
        for asset in range(units.shape[1]):
            if shares[asset]:
                for lane in range(units.shape[2]):
                    out[i, lane] -= min(units[i, asset, lane], 0.0) * price[asset, lane]


@kernel
def sell_units(
    units: Float, share: Float, traded: Bool, issuing: bool, price: Float, sold_out: Float, proceeds_out: Float
) -> None:
    r"""Sell a share of what has a market: :math:`s_{ia} = q_{ia} x_i` for :math:`a \in T`, :math:`\sum_a s_{ia} p_a`.

    Parameters
    ----------
    units : float64[n_rows, n_assets, n_lanes], pieces
        Issuers negative.
    share : float64[n_rows, n_lanes], 1
        Of its marketable assets that each one sells.
    traded : bool[n_assets]
        Whether an asset has a market.
    issuing : bool
        Whether there are issuers, whose negative holdings are not for sale.
    price : float64[n_assets, n_lanes], currency per piece
        At which sellers settle.
    sold_out : float64[n_rows, n_assets, n_lanes], pieces
        Overwritten.
    proceeds_out : float64[n_rows, n_lanes], currency
        Overwritten; assets are added in their order.
    """
    for i in range(units.shape[0]):
        for lane in range(units.shape[2]):
            proceeds_out[i, lane] = 0.0
        for asset in range(units.shape[1]):
            if not traded[asset]:
                for lane in range(units.shape[2]):
                    sold_out[i, asset, lane] = 0.0
                continue
            for lane in range(units.shape[2]):
                sold = units[i, asset, lane] * share[i, lane]
                sold = max(sold, 0.0) if issuing else sold
                sold_out[i, asset, lane] = sold
                proceeds_out[i, lane] += sold * price[asset, lane]


@kernel
def sold_volume(units: Float, share: Float, traded: Bool, issuing: bool, price: Float, out: Float) -> None:
    r"""Add up what is sold of every asset: :math:`p_a \sum_i q_{ia} x_i` for :math:`a \in T`, else 0.

    Parameters
    ----------
    units, share : float64[n_rows, n_assets, n_lanes], pieces, and float64[n_rows, n_lanes], 1
        As in `sell_units`.
    traded, issuing : bool[n_assets] and bool
        As in `sell_units`.
    price : float64[n_assets, n_lanes], currency per piece
        At which the volume is counted.
    out : float64[n_assets, n_lanes], currency
        Overwritten; sellers are added in their order.
    """
    n_rows, n_assets, n_lanes = units.shape
    out[:] = 0.0
    for i in range(n_rows):
        for asset in range(n_assets):
            if traded[asset]:
                for lane in range(n_lanes):
                    held = units[i, asset, lane]
                    out[asset, lane] += (max(held, 0.0) if issuing else held) * share[i, lane]
    for asset in range(n_assets):
        for lane in range(n_lanes):
            out[asset, lane] *= price[asset, lane]


@kernel
def hand_over(
    sold: Float,
    fair_value: Float,
    market: Float,
    price: Float,
    units_out: Float,
    books_out: Float,
    loss_out: Float,
    paid_out: Float,
    bought_out: Float,
) -> None:
    r"""Take what is sold out of holdings and books.

    .. math:: b_{ia} = s_{ia} (f_{ia} m_a + 1 - f_{ia})

    Parameters
    ----------
    sold : float64[n_rows, n_assets, n_lanes], pieces
        By seller.
    fair_value : float64[n_rows, n_assets], 1
        Share of the holding that is marked to market; the rest stands at cost, 1 a piece.
    market, price : float64[n_assets, n_lanes], currency per piece
        Market prices m, and those at which the sale is settled.
    units_out : float64[n_rows, n_assets, n_lanes], pieces
        Less what is sold.
    books_out, loss_out : float64[n_rows, n_lanes], currency
        Less, and more, what the pieces stood at, asset by asset: the seller has lost them; its cash is not counted.
    paid_out : float64[n_rows, n_lanes], currency
        Overwritten: :math:`\sum_a s_{ia} p_a`.
    bought_out : float64[n_assets, n_lanes], pieces
        Overwritten: :math:`\sum_i s_{ia}`, in the order of the sellers.
    """
    n_rows, n_assets, n_lanes = sold.shape
    bought_out[:] = 0.0
    for i in range(n_rows):
        for lane in range(n_lanes):
            paid_out[i, lane] = 0.0
        for asset in range(n_assets):
            share = fair_value[i, asset]
            for lane in range(n_lanes):
                pieces = sold[i, asset, lane]
                booked = pieces * (share * market[asset, lane] + (1.0 - share))
                units_out[i, asset, lane] -= pieces
                books_out[i, lane] -= booked
                loss_out[i, lane] += booked
                paid_out[i, lane] += pieces * price[asset, lane]
                bought_out[asset, lane] += pieces


@kernel
def mark(units: Float, fair_value: Float, rise: Float, books_out: Float, loss_out: Float) -> None:
    r"""Mark holders and issuers to new prices: :math:`g_i = \sum_a q_{ia} f_{ia} \Delta p_a`.

    Parameters
    ----------
    units : float64[n_rows, n_assets, n_lanes], pieces
        Issuers negative.
    fair_value : float64[n_rows, n_assets], 1
        Share marked to market.
    rise : float64[n_assets, n_lanes], currency per piece
        Of the prices.
    books_out, loss_out : float64[n_rows, n_lanes], currency
        More, and less, the gain, asset by asset.
    """
    n_rows, n_assets, n_lanes = units.shape
    for i in range(n_rows):
        for asset in range(n_assets):
            share = fair_value[i, asset]
            for lane in range(n_lanes):
                gain = units[i, asset, lane] * share * rise[asset, lane]
                books_out[i, lane] += gain
                loss_out[i, lane] -= gain
