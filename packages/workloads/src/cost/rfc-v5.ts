import type { CostFile } from "./cost-file.js";
import file from "./rfc-v5.costs.json" with { type: "json" };

/** Unit costs that were fitted to the table of RFC v5: arm64, in units of a register write with its ISB. `npm run calibrate` makes the file. */
export const RFC_V5_COSTS: CostFile = file;
