import { coverageOf } from "@kpkeys/kernel";
import type { CoverageGap, Machine, TableWatch } from "@kpkeys/kernel";
import { EventKind } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";

/** How often the page tables are audited during a replay: never, every 1,000 events and at each exit of a process, or after every event. */
export type CheckMode = "off" | "sampled" | "step";

/** Events between two audits of a sampled check. */
export const SAMPLE_EVENTS = 1000;

/** Open table pages of one source, level and mapping. */
export interface FoundGap extends CoverageGap {
  /** Line of the event after which they were first found; 0 before the first event. */
  readonly line: number;
}

/** The result of a check during a replay. */
export interface CheckResult {
  /** How often the tables were audited. */
  readonly mode: Exclude<CheckMode, "off">;
  /** Number of audits, including one before the first event and one after the last. */
  readonly scans: number;
  /** Table pages, summed over all audits. */
  readonly pages: number;
  /** Open table pages, summed over all audits. */
  readonly open: number;
  /** Open table pages at their first discovery, one entry per source, level and mapping. */
  readonly gaps: readonly FoundGap[];
}

/**
 * Audits the page tables of a machine while it replays.
 *
 * An audit walks all tables and compares them with the last audit: about 0.3 microseconds per table, 0.6 milliseconds for the 2,000
 * tables that map 4 GiB by pages. `sampled` adds little; `step` takes about two minutes for 177,000 events, and a quarter of that with
 * 1 GiB. All mappings are read again only if the set of open pages changed.
 */
export class Checker {
  private readonly machine: Machine;
  private readonly mode: CheckResult["mode"];
  private readonly watch: TableWatch;
  private readonly gaps = new Map<string, FoundGap>();
  private events = 0;
  private scans = 0;
  private pages = 0;
  private open = 0;
  private lastLine = 0;

  /**
   * Audits the tables once.
   * @param machine - the machine
   * @param mode - how often to audit
   */
  constructor(machine: Machine, mode: CheckResult["mode"]) {
    this.machine = machine;
    this.mode = mode;
    this.watch = machine.watch();
    this.audit();
  }

  /**
   * An event was replayed.
   * @param event - the event
   */
  after({ line, kind }: TraceEvent): void {
    this.lastLine = line;
    const isDue = ++this.events % SAMPLE_EVENTS === 0 || kind === EventKind.sys_enter_exit_group;
    if (this.mode === "step" || isDue) this.audit();
  }

  /** Audits the tables a last time. */
  finish(): CheckResult {
    this.audit();
    const { mode, scans, pages, open, gaps } = this;
    return { mode, scans, pages, open, gaps: [...gaps.values()] };
  }

  private audit(): void {
    const changed = this.watch.look();
    this.scans++;
    this.pages += this.watch.tables;
    this.open += this.watch.open;
    if (!changed) return;
    for (const gap of coverageOf(this.machine, this.machine.scan()).gaps) {
      const id = `${gap.source} ${gap.level} ${gap.mapping}`;
      if (!this.gaps.has(id)) this.gaps.set(id, { ...gap, line: this.lastLine });
    }
  }
}
