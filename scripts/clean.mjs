// Removes what the build made, outputs of deleted sources included (which `tsc -b --clean` leaves).
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./ensure.mjs";

for (const name of readdirSync(join(ROOT, "packages"))) {
  rmSync(join(ROOT, "packages", name, "dist"), { recursive: true, force: true });
}
for (const path of ["bench/dist", "coverage", "docs/api", "node_modules/.cache"])
  rmSync(join(ROOT, path), { recursive: true, force: true });
