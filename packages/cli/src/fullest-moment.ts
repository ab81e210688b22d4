import type { Coverage, coverageOf, Machine } from "@kpkeys/kernel";
import type { attack, AttackResult } from "@kpkeys/kunit-suite";

/** What is protected at the fullest moment of a replay. */
export class FullestMoment {
  /** What is protected. */
  coverage: Coverage | undefined;
  /** What the attacks came to. */
  attacked: AttackResult | null = null;

  /**
   * @param machine - the machine
   * @param findCoverage - finds what is protected
   * @param attackAll - attacks what there is; nothing is attacked if left out
   */
  constructor(
    private readonly machine: Machine,
    private readonly findCoverage: typeof coverageOf,
    private readonly attackAll: typeof attack | undefined,
  ) {}

  /** Looks at what is protected now, and keeps it if there is more to see than before, or a gap that was not there. */
  look(): void {
    const tables = this.machine.scan();
    const coverage = this.findCoverage(this.machine, tables);
    const { pages, gaps } = this.coverage ?? { pages: 0, gaps: [] };
    if (coverage.pages <= pages && coverage.gaps.length <= gaps.length) return;
    this.coverage = coverage;
    this.attacked = this.attackAll?.(this.machine, tables) ?? null;
  }
}
