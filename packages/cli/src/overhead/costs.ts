import { readFileSync } from "node:fs";
import { KpkeysError } from "@kpkeys/core";
import { writeOutput } from "../output.js";
import { RFC_V5_COSTS } from "../package-files.js";
import { ARCHES } from "../plugins.js";
import type { ArchId } from "../plugins.js";
import type { Fit } from "./fit.js";
import { UNIT, userFaultTime } from "./model.js";
import type { Costs } from "./model.js";

/** What the hardening's doings cost, in one unit of time, and what it is to be compared with. */
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
  /** The architecture that they hold for. */
  readonly arch: ArchId;
  /** What they were taken from, to be printed with whatever is computed from them. */
  readonly basis: string;
  /** Their unit of time: only ratios count. */
  readonly unit: string;
  /** The costs. */
  readonly costs: UnitCosts;
  /** Other values that they may have, for a range. */
  readonly samples?: readonly UnitCosts[];
}

/** What is said of every number that is computed from them. */
const RFC_V5_BASIS = "estimated, calibrated on RFC v5's mock measurements";

/** Samples of each fit that a file keeps. */
const KEPT = 50;

/**
 * Reads unit costs.
 * @param path - a file; those of RFC v5 if left out
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_COST_FILE
 */
export async function readCosts(path?: string): Promise<CostFile> {
  if (path === undefined) return JSON.parse(readFileSync(RFC_V5_COSTS, "utf8")) as CostFile;
  const { z } = await import("zod");
  const cost = z.number().positive();
  const costs = z.strictObject({
    synchronisedWrite: cost,
    elidedWrite: z.number().nonnegative(),
    setMemoryPkey: z.number().nonnegative(),
    userFault: cost,
  });
  const form = z.strictObject({
    arch: z.enum(Object.keys(ARCHES) as ArchId[]),
    basis: z.string().min(1),
    unit: z.string().min(1),
    costs,
    samples: z.array(costs).min(1).optional(),
  });
  const { data, error } = form.safeParse(await parse(path));
  if (data !== undefined) {
    const { samples, ...file } = data;
    return samples === undefined ? file : { ...file, samples };
  }
  const { path: at, message } = error.issues[0]!;
  throw new KpkeysError("ERR_COST_FILE", `${at.join(".") || "the document"}: ${message}`, {
    where: path,
    expected: "arch, basis, unit and costs, as docs/overhead.md describes them",
  });
}

async function parse(path: string): Promise<unknown> {
  const { readSmallText } = await import("@kpkeys/workloads");
  const text = readSmallText(path, "a file of unit costs");
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KpkeysError("ERR_COST_FILE", why, { where: path, expected: "a JSON document", cause });
  }
}

function unitCostsOf(costs: Costs): UnitCosts {
  const { elidedWrite, setMemoryPkey } = costs;
  return { synchronisedWrite: 1, elidedWrite, setMemoryPkey, userFault: userFaultTime(costs) };
}

/** The mean of two fits' costs. */
function between(a: UnitCosts, b: UnitCosts): UnitCosts {
  const names = Object.keys(a) as (keyof UnitCosts)[];
  return Object.fromEntries(names.map((name) => [name, (a[name] + b[name]) / 2])) as unknown as UnitCosts;
}

/**
 * The file of the costs that two halves of the table give: half-way between them, the range that of both.
 * @param fits - the fits
 */
export function costFileOf(fits: readonly [Fit, Fit]): CostFile {
  const [even, odd] = fits;
  return {
    arch: "arm64-poe",
    basis: RFC_V5_BASIS,
    unit: UNIT,
    costs: rounded(between(unitCostsOf(even.costs), unitCostsOf(odd.costs))),
    samples: fits.flatMap(({ samples }) => samples.slice(0, KEPT).map((sample) => rounded(unitCostsOf(sample)))),
  };
}

/** Four digits: more than the table has. */
function rounded(costs: UnitCosts): UnitCosts {
  const four = Object.entries(costs).map(([name, cost]) => [name, Number((cost as number).toPrecision(4))]);
  return Object.fromEntries(four) as UnitCosts;
}

/** An object on one line, as a formatter has it. */
function spaced(costs: UnitCosts): string {
  const fields = Object.entries(costs).map(([name, cost]) => `${JSON.stringify(name)}: ${cost as number}`);
  return `{ ${fields.join(", ")} }`;
}

/**
 * Writes unit costs where {@link readCosts} can read them.
 * @param path - the file
 * @param file - what to write
 * @throws KpkeysError ERR_OUTPUT
 */
export function writeCosts(path: string, { samples = [], ...file }: CostFile): void {
  const lines = samples.map((sample) => `    ${spaced(sample)}`).join(",\n");
  const head = JSON.stringify(file, undefined, 2).slice(0, -2);
  writeOutput(path, `${head},\n  "samples": [\n${lines}\n  ]\n}\n`);
}
