// An architecture package that lies outside of this repository and knows published names alone: packs what would be published,
// installs it there, and runs the conformance kit as its author would, under vitest and by the command.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const place = mkdtempSync(join(tmpdir(), "kpkeys-outside-"));
const outside = join(place, "kpkeys-arch-odd");
const tarballs = join(place, "tarballs");

/** Runs a program and gives what it prints; throws all of that when it fails. */
function run(cwd, program, ...args) {
  try {
    return execFileSync(program, args, { cwd, encoding: "utf8", env: environment, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")} in ${cwd}:\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
}

// npm of this repository tells its scripts of its own workspaces; the outside package is none.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

const manifests = readdirSync(join(root, "packages"))
  .map((folder) => JSON.parse(readFileSync(join(root, "packages", folder, "package.json"), "utf8")))
  .filter((manifest) => manifest.private !== true);

function pack() {
  mkdirSync(tarballs);
  const workspaces = manifests.map(({ name }) => `--workspace=${name}`);
  run(root, "npm", "pack", "--silent", "--ignore-scripts", `--pack-destination=${tarballs}`, ...workspaces);
  return readdirSync(tarballs).map((file) => join(tarballs, file));
}

/** Writes the package: the odd architecture of the tests, without types, as a package would publish it. */
function writePackage() {
  const sources = join(root, "packages/integration/test/odd-arch");
  mkdirSync(join(outside, "dist"), { recursive: true });
  for (const file of readdirSync(sources)) {
    const compilerOptions = {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
    };
    const { outputText } = ts.transpileModule(readFileSync(join(sources, file), "utf8"), { compilerOptions });
    writeFileSync(join(outside, "dist", file.replace(/\.ts$/, ".js")), outputText);
  }
  const versionOf = (name) => `^${manifests.find((manifest) => manifest.name === name).version}`;
  const vitest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies.vitest;
  const manifest = {
    name: "@acme/kpkeys-arch-odd",
    version: "1.0.0",
    type: "module",
    exports: "./dist/plugin.js",
    peerDependencies: { "@kpkeys/core": versionOf("@kpkeys/core") },
    devDependencies: {
      ...Object.fromEntries(
        ["@kpkeys/kernel", "@kpkeys/kunit-suite", "@kpkeys/pgtables-hardening", "kpkeys"].map((name) => [
          name,
          versionOf(name),
        ]),
      ),
      vitest,
    },
  };
  writeFileSync(join(outside, "package.json"), JSON.stringify(manifest, undefined, 2));
  mkdirSync(join(outside, "test"));
  writeFileSync(
    join(outside, "test", "conformance.test.js"),
    `import { readPackage } from "@kpkeys/kunit-suite/conformance";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import * as own from "@acme/kpkeys-arch-odd";

defineConformance(own.oddArch, { exports: own, files: readPackage("."), features: [pgtablesHardening] });
`,
  );
}

/** A step with its time. */
function step(name, act) {
  const began = performance.now();
  const result = act();
  console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  return result;
}

try {
  const packed = step("packed", pack);
  writePackage();
  const quiet = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];
  step("installed", () => run(outside, "npm", "install", ...quiet, ...packed));

  const tests = step("tested", () => JSON.parse(run(outside, "npx", "vitest", "run", "--reporter=json")));
  console.log(
    `vitest: ${tests.numPassedTests} passed, ${tests.numFailedTests} failed, ${tests.numPendingTests} skipped`,
  );

  const { plugins } = step("checked", () => JSON.parse(run(outside, "npx", "kpkeys", "check-plugin", ".", "--json")));
  const [{ id, counts }] = plugins;
  console.log(`kpkeys check-plugin: ${id}: ${JSON.stringify(counts)}`);
  const { ok, skipped } = counts;
  if (plugins.length !== 1 || skipped > 0 || ok !== tests.numPassedTests) {
    throw new Error("expected one plugin, no rule skipped, and as many rules as tests");
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(place, { recursive: true, force: true });
}
