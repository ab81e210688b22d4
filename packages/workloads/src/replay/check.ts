import { coverageOf } from "@kpkeys/kernel";
import type { CoverageGap, Machine } from "@kpkeys/kernel";
import { EventKind } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";

/** How often the page tables are looked at during a replay: never, now and then and whenever a process exits, after every event. */
export type CheckMode = "off" | "sampled" | "step";

/** Events between two looks of a sampled check. */
export const SAMPLE_EVENTS = 1000;

/** Table pages that were open to a stray write during a replay, of one source, level and mapping. */
export interface FoundGap extends CoverageGap {
  /** The line of the trace after whose event they were seen first; 0 before the first event. */
  readonly line: number;
}

/** What a check during a replay saw. */
export interface CheckResult {
  /** How often it looked. */
  readonly mode: Exclude<CheckMode, "off">;
  /** How many times, before the first event and after the last one included. */
  readonly scans: number;
  /** How many table pages there were in all of them together. */
  readonly pages: number;
  /** How many of those were open. */
  readonly open: number;
  /** What was open; of each source, level and mapping what was seen first. */
  readonly gaps: readonly FoundGap[];
}

/** Looks at the page tables of a machine while it replays. */
export interface Checker {
  /**
   * An event was replayed.
   * @param event - the event
   */
  after(event: TraceEvent): void;
  /** Looks a last time. @returns what was seen */
  finish(): CheckResult;
}

/**
 * Makes a checker, which looks at once.
 *
 * A look walks all tables and compares their content with what it was, about 0.3 microseconds a table: 0.6
 * milliseconds with the 2,000 tables that 4 GiB of pages take. `sampled` hardly shows; `step` costs that after every event, about
 * two minutes for 177,000, and a quarter of it with 1 GiB. Only when other pages are open than before are all mappings read anew.
 *
 * @param machine - the machine
 * @param mode - how often it looks
 */
export function createChecker(machine: Machine, mode: Exclude<CheckMode, "off">): Checker {
  const watch = machine.watch();
  const gaps = new Map<string, FoundGap>();
  let events = 0;
  let scans = 0;
  let pages = 0;
  let open = 0;

  function look(line: number): void {
    const changed = watch.look();
    scans++;
    pages += watch.tables;
    open += watch.open;
    if (!changed) return;
    for (const gap of coverageOf(machine, machine.scan()).gaps) {
      const id = `${gap.source} ${gap.level} ${gap.mapping}`;
      if (!gaps.has(id)) gaps.set(id, { ...gap, line });
    }
  }

  let lastLine = 0;
  look(lastLine);
  return {
    after({ line, kind }) {
      lastLine = line;
      if (mode === "step" || ++events % SAMPLE_EVENTS === 0 || kind === EventKind.sys_enter_exit_group) look(line);
    },
    finish() {
      look(lastLine);
      return { mode, scans, pages, open, gaps: [...gaps.values()] };
    },
  };
}
