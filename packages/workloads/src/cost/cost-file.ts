import rfcV5 from "./rfc-v5.costs.json" with { type: "json" };

/** The costs of the hardening's operations and the system time they are compared with, all in one unit of time. */
export interface UnitCosts {
  /** A register write with its own barrier. */
  readonly synchronisedWrite: number;
  /** A register write that another barrier synchronises. */
  readonly elidedWrite: number;
  /** set_memory_pkey of one page, without its key switches. */
  readonly setMemoryPkey: number;
  /** System time without hardening per user fault. It includes all kernel work of the process. */
  readonly userFault: number;
}

/** A unit-cost file. */
export interface CostFile {
  /** Id of the architecture. */
  readonly arch: string;
  /** Origin of the costs. Reports print it with every number computed from them. */
  readonly basis: string;
  /** Unit of time. Only ratios of costs matter. */
  readonly unit: string;
  /** The costs. */
  readonly costs: UnitCosts;
  /** Resampled costs, from which the range of an estimate is computed. */
  readonly samples?: readonly UnitCosts[];
}

/**
 * Unit costs fitted to the overhead table of RFC v5: arm64, in units of a register write with its ISB. `npm run calibrate` writes the
 * file.
 */
export const RFC_V5_COSTS: CostFile = rfcV5;

/** An object on one line, in Prettier's format. */
function spaced(costs: UnitCosts): string {
  const fields = Object.entries(costs).map(([name, cost]) => `${JSON.stringify(name)}: ${cost as number}`);
  return `{ ${fields.join(", ")} }`;
}

/**
 * The text of a unit-cost file, with one line per sample.
 * @param file - its content
 */
export function costFileText({ samples = [], ...file }: CostFile): string {
  const lines = samples.map((sample) => `    ${spaced(sample)}`).join(",\n");
  const head = JSON.stringify(file, undefined, 2).slice(0, -2);
  return `${head},\n  "samples": [\n${lines}\n  ]\n}\n`;
}
