import { Bench } from "../bench.js";
import type { ConformanceSubject } from "../rule.js";

/** Skips a rule about keys in entries on an architecture that keeps them with frames. @returns the reason */
export function needsEntryKeys({ plugin }: ConformanceSubject): string | undefined {
  return new Bench(plugin).frameKeys === undefined ? undefined : "keys are kept with frames";
}

/** Skips a rule about the keys of frames on an architecture that keeps keys in entries. @returns the reason */
export function needsFrameKeys({ plugin }: ConformanceSubject): string | undefined {
  return new Bench(plugin).frameKeys === undefined ? "keys are kept in entries" : undefined;
}
