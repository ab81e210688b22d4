// Bundles packages: a module for each entry of package.json's `exports` and `entries`, and chunks that they share, next to the
// declarations that tsc writes to dist. Loading some 300 modules one by one took 15 % of the CPU time of `kpkeys kunit`.
//
//   node scripts/bundle.mjs [FOLDER…]     the package in the current folder if none is given
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { rolldown } from "rolldown";

const folders = process.argv.length > 2 ? process.argv.slice(2) : ["."];
await Promise.all(folders.map((folder) => bundle(resolve(folder))));

async function bundle(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const bundled = await rolldown({
    cwd: folder,
    input: entriesOf(manifest),
    // Dependencies stay imports: a process has one copy of @kpkeys/core. Core includes tsyringe, the command includes commander.
    external: (id) => !isIncluded(id, manifest),
    platform: manifest.bin === undefined ? "neutral" : "node",
    resolve: { mainFields: ["module", "main"] },
    tsconfig: join(folder, "tsconfig.json"),
    logLevel: "warn",
  });
  // Chunks are in dist itself: a file that a module of src/ finds by import.meta.url is as far from there.
  const { output } = await bundled.write({
    dir: "dist",
    format: "esm",
    sourcemap: true,
    entryFileNames: "[name].js",
    chunkFileNames: "chunk-[name]-[hash].js",
  });
  await bundled.close();
  removeStale(join(folder, "dist"), new Set(output.map(({ fileName }) => fileName)));
}

/** Own modules, the compiler's helpers for decorators, and what the manifest names. */
function isIncluded(id, { bundledImports = [] }) {
  return /^[./]|^src\/|^\0|^@oxc-project\/runtime/.test(id) || bundledImports.includes(id);
}

/** The entries by their path in dist, without an ending: of `exports`, and of `entries`, which are started by file or find files from their place. */
function entriesOf({ exports, entries = [] }) {
  const sources = Object.values(exports).flatMap((target) => target["@kpkeys/source"] ?? []);
  const all = [...sources, ...entries];
  return Object.fromEntries(all.map((source) => [relative("src", source).replace(/\.ts$/, ""), source]));
}

function removeStale(dist, written) {
  for (const name of readdirSync(dist, { recursive: true })) {
    if (/\.js(\.map)?$/.test(name) && !written.has(name.replaceAll("\\", "/").replace(/\.map$/, "")))
      rmSync(join(dist, name));
  }
}
