"""The campaign: random systems of 2 to 50 agents, solved by the package and by independent references.

``python -m tests.campaign.run --systems 10000 --seed 1``

Families take turns (`tests.campaign.systems`): sparse, dense and core-periphery networks, agents without equity,
without debt, without links, rings of debt without outside money, amounts over twelve decades, rings where iteration
gains almost nothing, exact ties of dyadic amounts, agents within 1e-9 to 1e-14 of the edge. Clearing (Eisenberg-Noe,
Rogers-Veraart, outside debt senior), default cascades, the DebtRanks and valuations have to agree to 1e-9 in the norms
of `tests.campaign.checks`. Knife-edges are listed, not dropped. Where ``../shared/oracles.py`` lies beside the
repository, its solutions are compared too.

Budget: 10,000 systems within 10 minutes on two cores (``--workers 2``). Exit code 1 when something disagrees.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.campaign.checks import Finding, compare, oracles
from tests.campaign.systems import FAMILIES, draw

SHOWN = 5
"""Seeds listed for a kind of knife-edge, and failures of one check shown in full."""
CHUNK = 50


@dataclass
class Tally:
    """What a campaign has seen so far."""

    systems: Counter[str] = field(default_factory=Counter)
    comparisons: Counter[str] = field(default_factory=Counter)
    worst: dict[str, float] = field(default_factory=dict)
    knives: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    failures: list[tuple[int, str, Finding]] = field(default_factory=list)

    def add(self, seed: int, family: str, findings: list[Finding]) -> None:
        """Count one system."""
        self.systems[family] += 1
        for finding in findings:
            self.comparisons[finding.check] += 1
            if finding.problem:
                self.failures.append((seed, family, finding))
            else:
                self.worst[finding.check] = max(self.worst.get(finding.check, 0.0), finding.worst)
            if finding.knife:
                self.knives[finding.check, family].append(seed)

    def table(self) -> str:
        """Return the report."""
        lines = ["systems per family"]
        lines += [f"  {name:20s}{self.systems[name]:7d}" for name in FAMILIES if self.systems[name]]
        lines += [f"  {'all':20s}{self.systems.total():7d}", "", "comparisons                count    worst error"]
        lines += [
            f"  {check:24s}{count:7d}    {self.worst.get(check, float('nan')):.2e}"
            for check, count in sorted(self.comparisons.items())
        ]
        lines += ["", "knife-edges (an agent within 1e-12 of its size of default)"]
        for (check, family), seeds in sorted(self.knives.items()):
            first = ", ".join(map(str, sorted(seeds)[:SHOWN]))
            lines.append(f"  {check:20s}{family:16s}{len(seeds):7d}    first seeds {first}")
        lines += ["", f"failures: {len(self.failures)}"]
        shown: Counter[str] = Counter()
        for seed, family, finding in sorted(self.failures, key=lambda failure: failure[0]):
            shown[finding.check] += 1
            if shown[finding.check] <= SHOWN:
                lines.append(f"  seed {seed} ({family}) {finding.check}: {finding.problem}")
        return "\n".join(lines)


def chunk(seeds: range) -> list[tuple[int, str, list[Finding]]]:
    """Compare the systems of some seeds."""
    systems = ((seed, draw(seed)) for seed in seeds)
    return [(seed, system.family, compare(system)) for seed, system in systems]


def campaign(systems: int, seed: int, workers: int) -> Tally:
    """Compare systems; those of a seed are the same whatever the number of workers."""
    first = seed * 1_000_000
    parts = [range(k, min(k + CHUNK, first + systems)) for k in range(first, first + systems, CHUNK)]
    tally = Tally()
    if workers <= 1:
        done = map(chunk, parts)
        for part in done:
            for row in part:
                tally.add(*row)
        return tally
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(chunk, parts):
            for row in part:
                tally.add(*row)
    return tally


def main() -> int:
    """Run the campaign as asked on the command line."""
    parser = argparse.ArgumentParser(description="Compare the package with independent references on random systems.")
    parser.add_argument("--systems", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", type=int, help="compare only the system of this seed, as listed in a report")
    given = parser.parse_args()
    if given.one is not None:
        tally = Tally()
        tally.add(*chunk(range(given.one, given.one + 1))[0])
    else:
        began = time.monotonic()
        tally = campaign(given.systems, given.seed, given.workers)
        beside = "with" if oracles() is not None else "without"
        print(
            f"{given.systems} systems in {time.monotonic() - began:.0f} s, {beside} the solutions beside the repository"
        )
    print(tally.table())
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
