"""All benchmarks as one table of ratios against baselines measured in the same process, and the table of fidelity.

Printed, and kept with the machine and the versions in ``benchmarks/results.json`` (``--to FILE``: elsewhere).

python -m benchmarks.run [--quick] [--to FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import fidelity, kernels, reading, solvers, table

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description="Speed and fidelity of the engine on this machine.")
    parser.add_argument(
        "--quick", action="store_true", help="smaller sizes: two minutes instead of a quarter of an hour"
    )
    parser.add_argument("--to", type=Path, default=RESULTS, metavar="FILE", help="where the results are kept (JSON)")
    given = parser.parse_args()
    print(table.described(table.machine()))
    lines = [*reading.lines(given.quick), *solvers.lines(given.quick), *kernels.lines(given.quick)]
    table.show(lines)
    print("\nRank correlation of F-SI with the exact kernel's:")
    ranked = fidelity.rows(given.quick)
    fidelity.show(ranked)
    table.keep(lines, ranked, given.to)
    print(f"\nKept in {given.to}.")


if __name__ == "__main__":
    main()
