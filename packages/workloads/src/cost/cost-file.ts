/** What the operations of the hardening cost, in one unit of time, and the system time that they are compared with. */
export interface UnitCosts {
  /** A register write with a barrier of its own. */
  readonly synchronisedWrite: number;
  /** A register write that another barrier synchronises. */
  readonly elidedWrite: number;
  /** set_memory_pkey of one page, without its key switches. */
  readonly setMemoryPkey: number;
  /** System time without hardening for each fault of a user address, all that a process has the kernel do included. */
  readonly userFault: number;
}

/** A file of unit costs. */
export interface CostFile {
  /** Id of the architecture that they hold for. */
  readonly arch: string;
  /** What they were taken from, to be printed with whatever is computed from them. */
  readonly basis: string;
  /** Their unit of time: only ratios count. */
  readonly unit: string;
  /** The costs. */
  readonly costs: UnitCosts;
  /** Other values that they may have, for a range. */
  readonly samples?: readonly UnitCosts[];
}

/** An object on one line, as a formatter has it. */
function spaced(costs: UnitCosts): string {
  const fields = Object.entries(costs).map(([name, cost]) => `${JSON.stringify(name)}: ${cost as number}`);
  return `{ ${fields.join(", ")} }`;
}

/**
 * A file of unit costs as text: one line for each sample.
 * @param file - what it holds
 */
export function costFileText({ samples = [], ...file }: CostFile): string {
  const lines = samples.map((sample) => `    ${spaced(sample)}`).join(",\n");
  const head = JSON.stringify(file, undefined, 2).slice(0, -2);
  return `${head},\n  "samples": [\n${lines}\n  ]\n}\n`;
}
