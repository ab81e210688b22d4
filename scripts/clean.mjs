// Removes what the build made, outputs of deleted sources included (which `tsc -b --clean` leaves), and lerna's cache of it.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./ensure.mjs";

for (const folder of ["packages", "examples"]) {
  for (const name of readdirSync(join(ROOT, folder)))
    rmSync(join(ROOT, folder, name, "dist"), { recursive: true, force: true });
}
for (const path of ["bench/dist", "coverage", "docs/api", "node_modules/.cache", ".nx"])
  rmSync(join(ROOT, path), { recursive: true, force: true });
