import { KpkeysError } from "@kpkeys/core";
import type { SideName } from "./exhibit.js";

/** Identifies one run of one side of an exhibit. */
export interface SideKey {
  /** Id of the exhibit. */
  readonly id: string;
  /** The side. */
  readonly side: SideName;
  /** Id of the architecture. */
  readonly arch: string;
}

const FORM = /^([a-z0-9-]+):(red|green):([a-z0-9-]+)$/;

/**
 * Formats a replay string: `irq-exit-resume:red:arm64-poe`.
 * @param key - the run
 */
export function formatReplay({ id, side, arch }: SideKey): string {
  return [id, side, arch].join(":");
}

/**
 * Parses a replay string. It does not check that the exhibit and the architecture exist.
 * @param text - a string of {@link formatReplay}
 * @throws KpkeysError ERR_EXHIBIT if the string is malformed
 */
export function parseReplay(text: string): SideKey {
  const [, id, side, arch] = FORM.exec(text) ?? [];
  if (id === undefined || side === undefined || arch === undefined) {
    throw new KpkeysError("ERR_EXHIBIT", `${JSON.stringify(text)} is not a replay string`, {
      expected: "EXHIBIT:red|green:ARCHITECTURE, such as irq-exit-resume:red:arm64-poe",
    });
  }
  return { id, side: side as SideName, arch };
}
