import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CORE = fileURLToPath(new URL("../../../core/", import.meta.url));
const MODULES = fileURLToPath(new URL("../../../../node_modules/", import.meta.url));

/** The dependencies of core. */
const CORE_NEEDS = ["reflect-metadata", "tslib", "tsyringe"];

/** A project in a new folder, with a package.json and a separate copy of core, as after `npm install`. */
export function project(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "kpkeys-project-"));
  const modules = join(folder, "node_modules");
  for (const part of ["package.json", "dist"]) {
    cpSync(join(CORE, part), join(modules, "@kpkeys/core", part), { recursive: true });
  }
  for (const name of CORE_NEEDS) cpSync(join(MODULES, name), join(modules, name), { recursive: true });
  write(folder, { "package.json": JSON.stringify({ type: "module" }), ...files });
  return folder;
}

/** Writes files, by their paths from the folder. */
export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** A plugin package in a folder of a project. */
export function packageIn(folder: string, id: string, module: string): Record<string, string> {
  const manifest = { name: `kpkeys-${id}`, version: "1.2.3", type: "module", exports: "./index.js" };
  return { [`${folder}/package.json`]: JSON.stringify(manifest), [`${folder}/index.js`]: module };
}

/** A feature with a key and a context, which imports core and prints a line on stderr in its setup. */
export function feature(id: string, contract = 2): string {
  const key = id.toUpperCase();
  return `
    import { resolve } from "@kpkeys/core";
    import { Kpkeys } from "@kpkeys/core/contracts";
    export const plugin = {
      id: "${id}", kind: "feature", description: "a key", contract: ${contract},
      setup(container) {
        const kpkeys = resolve(container, Kpkeys);
        kpkeys.registerPkey("${key}");
        kpkeys.defineContext("${key}", { ${key}: "rw" });
        process.stderr.write("set up: ${id}\\n");
      },
    };`;
}
