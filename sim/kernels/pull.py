"""The sparse pull along a layer: the one hot kernel of every channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from sim.arrays import Float, Index, Int
from sim.kernels.jit import kernel

COMPILED = not config.DISABLE_JIT  # type: ignore[attr-defined]
"""Registers exist only in compiled code; without a compiler the plain loop does all lanes."""

WIDE, NARROW = 4, 1
"""Registers of eight lanes that one walk along a row fills: 32 lanes while there are as many, then 8."""
EIGHT = 8


def _row_sum(vectors: int) -> Callable[..., None]:
    """Return an intrinsic that sums one row for ``8 * vectors`` neighbouring lanes, which stay in registers.

    LLVM keeps a plain inner loop over lanes in memory (a load and a store per edge and lane); eight lanes as one vector
    value cost one load, one multiplication and one addition. No fused operation and no reordering: every lane adds its
    edges one by one in CSR order, as the plain loop does.
    """

    @intrinsic
    def row_sum(
        _typing: Any, indices: Any, weights: Any, signal: Any, out: Any, start: Any, stop: Any, row: Any, lane: Any
    ) -> Any:
        signature = types.void(indices, weights, signal, out, *[types.int64 for _ in (start, stop, row, lane)])

        def generate(context: Any, builder: Any, made: Any, args: Any) -> Any:
            edges, factors, source, target = (
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(made.args[:4], args[:4], strict=True)
            )
            first, last, place, column = args[4:]
            n_lanes = cgutils.unpack_tuple(builder, source.shape)[1]  # type: ignore[no-untyped-call]
            vector = ir.VectorType(ir.DoubleType(), EIGHT)
            whole, short = ir.IntType(64), ir.IntType(32)

            def lanes_of(array: Any, line: Any, k: int) -> Any:
                offset = builder.add(builder.mul(line, n_lanes), builder.add(column, whole(EIGHT * k)))
                return builder.bitcast(builder.gep(array.data, [offset]), vector.as_pointer())

            before = builder.block
            loop, after = builder.append_basic_block("edges"), builder.append_basic_block("row_done")
            zero = ir.Constant(vector, [0.0] * EIGHT)
            builder.cbranch(builder.icmp_signed("<", first, last), loop, after)
            builder.position_at_end(loop)
            edge = builder.phi(whole)
            edge.add_incoming(first, before)
            sums = [builder.phi(vector) for _ in range(vectors)]
            other = builder.sext(builder.load(builder.gep(edges.data, [edge])), whole)
            single = builder.insert_element(
                ir.Constant(vector, ir.Undefined), builder.load(builder.gep(factors.data, [edge])), short(0)
            )
            factor = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(short, EIGHT), [0] * EIGHT))
            grown = [
                builder.fadd(held, builder.fmul(factor, builder.load(lanes_of(source, other, k), align=8)))
                for k, held in enumerate(sums)
            ]
            following = builder.add(edge, whole(1))
            edge.add_incoming(following, loop)
            for held, sum_ in zip(sums, grown, strict=True):
                held.add_incoming(zero, before)
                held.add_incoming(sum_, loop)
            builder.cbranch(builder.icmp_signed("<", following, last), loop, after)
            builder.position_at_end(after)
            for k, sum_ in enumerate(grown):
                found = builder.phi(vector)
                found.add_incoming(zero, before)
                found.add_incoming(sum_, loop)
                sums[k] = found
            for k, found in enumerate(sums):
                builder.store(found, lanes_of(target, place, k), align=8)
            return context.get_dummy_value()

        return signature, generate

    return row_sum


_wide, _narrow = _row_sum(WIDE), _row_sum(NARROW)


@kernel
def pull(indptr: Int, indices: Index, weights: Float, signal: Float, pressure_out: Float) -> None:
    r"""Sum what reaches each row: :math:`p_{ik} = \sum_j w_{ij} s_{jk}`.

    Parameters
    ----------
    indptr, indices : int64[n_rows + 1], int32[n_edges]
        CSR structure; row ``i`` holds whom agent ``i`` is exposed to, columns ascending.
    weights : float64[n_edges], unit of the layer
        One weight per edge.
    signal : float64[n_columns, n_lanes], 1
        What each column emits in each lane; C order.
    pressure_out : float64[n_rows, n_lanes], unit of the layer
        Overwritten; must not be `signal`; C order. Each row is summed in CSR order starting from zero, so the bits of
        a lane do not depend on the lanes beside it.
    """
    n_lanes = signal.shape[1]
    for i in range(indptr.size - 1):
        start, stop = indptr[i], indptr[i + 1]
        lane = 0
        if COMPILED:
            while lane + 32 <= n_lanes:
                _wide(indices, weights, signal, pressure_out, start, stop, i, lane)
                lane += 32
            while lane + 8 <= n_lanes:
                _narrow(indices, weights, signal, pressure_out, start, stop, i, lane)
                lane += 8
        for left in range(lane, n_lanes):
            pressure_out[i, left] = 0.0
        for k in range(start, stop):
            for left in range(lane, n_lanes):
                pressure_out[i, left] += weights[k] * signal[indices[k], left]
