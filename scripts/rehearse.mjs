// Rehearses a release of the last commit, as its users will meet it: versions it, publishes it to a registry on loopback,
// installs from there in empty folders and runs, on every supported version of Node, the first program of each README and
// `npx kpkeys run`. Nothing leaves this machine.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { ROOT } from "./ensure.mjs";
import { NODES, startRegistry } from "./rehearsal/registry.mjs";
import { check, run, print } from "./rehearsal/run.mjs";
import { checkNothingChanged, version } from "./rehearsal/versions.mjs";

/** The packages that an install of `@kpkeys/arch-arm64-poe` alone has: core and its dependencies with it. */
const ALONE = ["@kpkeys/arch-arm64-poe", "@kpkeys/core", "reflect-metadata", "tslib", "tsyringe"];

/** The features that the command includes. */
const BUNDLED = "pgtables,cred,bpf,secrets";
/** The commands run on a new package, by its kind; each must succeed. */
const USES = {
  feature: [
    "check-plugin .",
    "budget .",
    ...["run", "attack", "kunit"].map((command) => `${command} --plugin . --feature pgtables,cred,my-feature`),
  ],
  arch: [
    "check-plugin .",
    "budget --plugin . --arch my-arch",
    ...["attack", "kunit"].map((command) => `${command} --plugin . --arch my-arch --feature ${BUNDLED}`),
  ],
};
/** The same by a configuration file in the folder of the package. */
const USES_BY_FILE = {
  feature: ["run", "attack", "kunit"].map((command) => `${command} --feature pgtables,cred,my-feature`),
  arch: ["attack", "kunit"].map((command) => `${command} --arch my-arch --feature ${BUNDLED}`),
};

const folder = mkdtempSync(join(tmpdir(), "kpkeys-rehearsal-"));
const registry = await startRegistry(join(folder, "registry"));
try {
  const checkout = join(folder, "checkout");
  publish(checkout);
  installAlone();
  for (const readme of readmes(checkout)) runReadme(readme);
  for (const example of readdirSync(join(checkout, "examples"))) runExample(checkout, example);
  scaffold();
  runCommand();
  print("the rehearsal is over: everything installed and ran");
} finally {
  registry.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Versions, builds and publishes the last commit from a clone of it. */
function publish(checkout) {
  print("versioning and publishing the last commit");
  run("git", ["clone", "--quiet", ROOT, checkout], { cwd: folder });
  // Changesets compares with the branch main, which a clone of another branch does not have.
  run("git", ["checkout", "--quiet", "-B", "main"], { cwd: checkout });
  run("npm", ["ci", "--prefer-offline", "--no-audit", "--loglevel=error"], { cwd: checkout });
  version(checkout);
  run("npm", ["run", "--silent", "build"], { cwd: checkout });
  run("npx", ["changeset", "publish"], { cwd: checkout, env: registry.env });
  checkNothingChanged(checkout);
}

/** One architecture plugin alone: with core, and without everything else. */
function installAlone() {
  const home = emptyFolder("alone");
  run("npm", ["install", "@kpkeys/core", "@kpkeys/arch-arm64-poe"], { cwd: home, env: registry.env });
  const modules = join(home, "node_modules");
  const installed = readdirSync(modules)
    .filter((name) => !name.startsWith("."))
    .flatMap((name) =>
      name.startsWith("@") ? readdirSync(join(modules, name)).map((rest) => `${name}/${rest}`) : name,
    )
    .sort();
  check("@kpkeys/arch-arm64-poe alone", installed.join(" "), ALONE.join(" "));
}

/** The first program of each published package's README, with what it imports. */
function readmes(checkout) {
  const packages = join(checkout, "packages");
  return readdirSync(packages).flatMap((name) => {
    const manifest = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
    const program = /^```ts\n(.*?)^```$/ms.exec(readFileSync(join(packages, name, "README.md"), "utf8"))?.[1];
    return manifest.private === true || program === undefined ? [] : [{ name: manifest.name, program }];
  });
}

/** Runs a README's program as printed, and holds what it prints to what its comments promise. */
function runReadme({ name, program }) {
  const home = emptyFolder(name.replaceAll(/\W+/g, "-"));
  const imported = [...program.matchAll(/from "((?:@[^/"]+\/)?[^/"]+)/g)].map((match) => match[1]);
  run("npm", ["install", name, ...new Set(imported)], { cwd: home, env: registry.env });
  writeFileSync(join(home, "program.mjs"), program);
  const promised = [...program.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]).join("\n");
  for (const node of NODES) {
    const printed = run(node, ["program.mjs"], { cwd: home }).trimEnd();
    check(`${name}'s program on Node ${majorOf(node)}`, printed, promised);
  }
}

/** A package written outside the repository: it has published names to build on and nothing else. */
function runExample(checkout, name) {
  const home = join(folder, `example-${name}`);
  cpSync(join(checkout, "examples", name), home, { recursive: true });
  run("npm", ["install", "--no-package-lock"], { cwd: home, env: registry.env });
  run("npm", ["test"], { cwd: home });
  run("npm", ["install", "--no-save", "--no-package-lock", "kpkeys"], { cwd: home, env: registry.env });
  run("npx", ["kpkeys", "check-plugin", "."], { cwd: home });
  print(`ok: examples/${name} builds, passes its tests and kpkeys check-plugin`);
}

/** A new package of every kind, made in an empty folder. */
function scaffold() {
  const home = emptyFolder("scaffolds");
  for (const kind of ["feature", "arch"]) {
    const name = `my-${kind}`;
    const first = `first-${kind}`;
    run("npm", ["create", "--yes", "kpkeys@latest", first, "--", "--kind", kind], { cwd: home, env: registry.env });
    renameSync(join(home, first), join(home, name));
    replaceInFiles(join(home, name), first, name);
    run("npm", ["install"], { cwd: join(home, name), env: registry.env });
    run("npm", ["test"], { cwd: join(home, name) });
    print(`ok: npm create kpkeys makes a package of the kind ${kind} that passes its tests with another name`);
    useCommand(join(home, name), kind);
  }
}

/** Renames a package as its author does: in every file. */
function replaceInFiles(home, from, to) {
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(from, to));
  }
}

/** The command from npx's cache, installed globally, and installed next to the package, which has its own copy of core. */
function useCommand(home, kind) {
  const [first, second, third] = NODES;
  const global = join(folder, `global-${kind}`);
  run("npm", ["install", "--global", "--prefix", global, "kpkeys"], { cwd: home, env: registry.env });
  use("npx's cache", first, ["npx", "--yes", "kpkeys"]);
  use("a global installation", second, [join(global, "bin/kpkeys")]);
  run("npm", ["install", "--no-save", "kpkeys"], { cwd: home, env: registry.env });
  use("an installation next to it", third, ["npx", "--no", "kpkeys"]);

  function use(place, node, [program, ...args]) {
    const env = { ...registry.env, PATH: [dirname(node), process.env.PATH].join(delimiter) };
    const uses = (commands) => {
      for (const words of commands) {
        run(program, [...args, ...words.split(" ")], { cwd: home, env });
        print(`ok: kpkeys ${words}, of ${place} on Node ${majorOf(node)}, with a new package of the kind ${kind}`);
      }
    };
    uses(USES[kind]);
    const file = join(home, "kpkeys.config.json");
    writeFileSync(file, '{ "plugins": ["."] }\n');
    uses(USES_BY_FILE[kind]);
    rmSync(file);
  }
}

/** The command, run in an empty folder. */
function runCommand() {
  const home = emptyFolder("command");
  for (const node of NODES) {
    const env = { ...registry.env, PATH: [dirname(node), process.env.PATH].join(delimiter) };
    const report = JSON.parse(run("npx", ["--yes", "kpkeys", "run", "--json"], { cwd: home, env }));
    const blocked = report.arches.map(
      ({ arch, attack }) => `${arch} ${attack.tried > 0 && attack.blocked === attack.tried}`,
    );
    check(`npx kpkeys run on Node ${majorOf(node)}`, blocked.join(", "), "arm64-poe true, x86-pks true");
  }
}

function emptyFolder(name) {
  const home = join(folder, name);
  mkdirSync(home);
  writeFileSync(join(home, "package.json"), "{}\n");
  return home;
}

function majorOf(node) {
  return run(node, ["--version"], { cwd: folder }).trim();
}
