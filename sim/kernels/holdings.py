"""What securities stand at in the books, and what they would bring."""

from __future__ import annotations

from sim.arrays import Float
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
