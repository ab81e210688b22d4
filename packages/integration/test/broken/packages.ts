import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readPackage } from "@kpkeys/kunit-suite/node";
import type { PackageFiles } from "@kpkeys/kunit-suite/conformance";

function write(folder: string, name: string, module: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, type: "module", exports: "./index.js" }));
  writeFileSync(join(folder, "index.js"), module);
}

/** A package on the disk whose second file imports another one, which may be there and export a plugin of a kind. */
export function packageImporting(name: string, kind?: string): PackageFiles {
  const folder = mkdtempSync(join(tmpdir(), "kpkeys-broken-"));
  write(folder, "broken", `export * from "./second.js";\n`);
  writeFileSync(join(folder, "second.js"), `import * as other from "${name}";\nexport const second = other;\n`);
  if (kind !== undefined) {
    const plugin = `export const thing = { id: "thing", kind: "${kind}", setup() {} };\n`;
    write(join(folder, "node_modules", name), name, plugin);
  }
  return readPackage(folder);
}
