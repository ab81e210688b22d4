import type { CostFile, UnitCosts } from "../cost-file.js";
import { UNIT, userFaultTime } from "../model.js";
import type { Costs } from "../model.js";
import type { Fit } from "./fit.js";

/** {@link CostFile.basis} of the fitted costs. */
const RFC_V5_BASIS = "estimated, calibrated on RFC v5's mock measurements";

/** Samples of each fit that the file keeps. */
const KEPT = 50;

function unitCostsOf(costs: Costs): UnitCosts {
  const { elidedWrite, setMemoryPkey } = costs;
  return { synchronisedWrite: 1, elidedWrite, setMemoryPkey, userFault: userFaultTime(costs) };
}

/** The mean of the costs of two fits. */
function between(a: UnitCosts, b: UnitCosts): UnitCosts {
  const names = Object.keys(a) as (keyof UnitCosts)[];
  return Object.fromEntries(names.map((name) => [name, (a[name] + b[name]) / 2])) as unknown as UnitCosts;
}

/**
 * The unit-cost file of the two fits: the mean of their costs and the samples of both.
 * @param fits - the fit to the even rows and the fit to the odd rows
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

/** Rounds to four digits: one more than the table has. */
function rounded(costs: UnitCosts): UnitCosts {
  const four = Object.entries(costs).map(([name, cost]) => [name, Number((cost as number).toPrecision(4))]);
  return Object.fromEntries(four) as UnitCosts;
}
