import type { CostFile, UnitCosts } from "../cost-file.js";
import { UNIT, userFaultTime } from "../model.js";
import type { Costs } from "../model.js";
import type { Fit } from "./fit.js";

/** What is said of every number that is computed from them. */
const RFC_V5_BASIS = "estimated, calibrated on RFC v5's mock measurements";

/** Samples of each fit that a file keeps. */
const KEPT = 50;

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
