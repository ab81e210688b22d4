import { KpkeysError } from "@kpkeys/core";
import type { SideName } from "./exhibit.js";

/** What makes one run of one side of an exhibit, and nothing else does. */
export interface SideKey {
  /** Id of the exhibit. */
  readonly id: string;
  /** Which side. */
  readonly side: SideName;
  /** Id of the architecture. */
  readonly arch: string;
}

const FORM = /^([a-z0-9-]+):(red|green):([a-z0-9-]+)$/;

/**
 * Writes a run down: `irq-exit-resume:red:arm64-poe`.
 * @param key - what makes the run
 * @returns the replay string
 */
export function formatReplay({ id, side, arch }: SideKey): string {
  return [id, side, arch].join(":");
}

/**
 * Reads a replay string.
 * @param text - what {@link formatReplay} wrote
 * @returns what makes the run; whether there is such an exhibit and such an architecture is not looked at
 * @throws KpkeysError ERR_EXHIBIT for another form
 */
export function parseReplay(text: string): SideKey {
  const [, id, side, arch] = FORM.exec(text) ?? [];
  if (id === undefined || side === undefined || arch === undefined) {
    throw new KpkeysError("ERR_EXHIBIT", `${JSON.stringify(text)} is no replay string`, {
      expected: "EXHIBIT:red|green:ARCHITECTURE, such as irq-exit-resume:red:arm64-poe",
    });
  }
  return { id, side: side as SideName, arch };
}
