import type { Coverage, coverageOf, Machine } from "@kpkeys/kernel";
import type { attack, AttackResult } from "@kpkeys/kunit-suite";

/** Coverage and attacks at the peak of a replay: the moment with the most table pages. */
export class PeakCoverage {
  /** The coverage; undefined before the first {@link update}. */
  coverage: Coverage | undefined;
  /** The results of the attacks; `null` if none are run. */
  attacked: AttackResult | null = null;

  /**
   * @param machine - the machine
   * @param findCoverage - finds the coverage of its live tables
   * @param attackAll - attacks its live tables; no attacks if left out
   */
  constructor(
    private readonly machine: Machine,
    private readonly findCoverage: typeof coverageOf,
    private readonly attackAll: typeof attack | undefined,
  ) {}

  /** Scans the live tables. Keeps the results if there are more pages than before, or more gaps. */
  update(): void {
    const tables = this.machine.scan();
    const coverage = this.findCoverage(this.machine, tables);
    const { pages, gaps } = this.coverage ?? { pages: 0, gaps: [] };
    if (coverage.pages <= pages && coverage.gaps.length <= gaps.length) return;
    this.coverage = coverage;
    this.attacked = this.attackAll?.(this.machine, tables) ?? null;
  }
}
