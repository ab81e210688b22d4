// The prerequisites of `npm start` and `npm test`: installed packages and built code. Only Node's own modules
// are used: on a fresh clone there is nothing else. Each step prints on stderr that it runs and why; where nothing is to
// do, nothing is printed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { takeLock } from "./lock.mjs";

/** The root of the repository, absolute. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The kpkeys command, which runs what is built. */
export const COMMAND = join(ROOT, "packages/cli/bin/kpkeys.js");

const LOCK = join(ROOT, ".setup.lock");
const STAMPS = join(ROOT, "node_modules/.cache/kpkeys");

/** The targets: the command with its dependencies, or everything, the types of the tests included. */
const TARGETS = {
  command: { project: "packages/cli", folders: ["src"], scope: ["--scope=kpkeys", "--include-dependencies"] },
  tests: { project: ".", folders: ["src", "test"], scope: [], types: "tsconfig.test.json" },
};
const LERNA = "node_modules/lerna/dist/cli.js";
const TSC = "node_modules/typescript/bin/tsc";

/**
 * Installs and builds what is missing or stale; ends the process with the failing step's exit status if a step fails.
 *
 * @param {keyof typeof TARGETS} target - how much to build
 */
export async function ensure(target) {
  if (!installReason() && !buildReason(target)) return;
  await alone(() => {
    // Asked again: another process may have done it while this one waited.
    const install = installReason();
    if (install) step("installing packages (npm ci)", install, () => npm(["ci", "--no-audit", "--loglevel=error"]));
    const build = buildReason(target);
    if (build) {
      const digest = sourceDigest(target);
      const { scope, types } = TARGETS[target];
      step("building (lerna run build)", build, () => node([LERNA, "run", "build", "--loglevel=warn", ...scope], 2));
      if (types) step("checking the types of tests (tsc)", build, () => node([TSC, "-p", types], 2));
      mkdirSync(STAMPS, { recursive: true });
      writeFileSync(join(STAMPS, target), digest);
    }
  });
}

/**
 * Runs Node with this process's stdin and stderr and waits for it.
 *
 * @param {string[]} args - the script, relative to the root, and its arguments
 * @param {"inherit" | 2} stdout - this process's stdout, or its stderr where stdout belongs to the main job alone
 * @returns {number} its exit status, 1 if a signal ended it
 */
export function node(args, stdout = "inherit") {
  return spawn(process.execPath, args, { stdio: ["inherit", stdout, "inherit"] });
}

/** Runs the npm that runs this script, or the one of the path; its stdout goes to stderr. */
function npm(args) {
  const stdio = ["ignore", 2, 2];
  const cli = process.env.npm_execpath;
  return cli?.endsWith("npm-cli.js")
    ? spawn(process.execPath, [cli, ...args], { stdio })
    : spawn("npm", args, { stdio, shell: process.platform === "win32" });
}

function spawn(program, args, options) {
  const { status, error } = spawnSync(program, args, { cwd: ROOT, ...options });
  if (error) throw error;
  return status ?? 1;
}

function step(what, why, perform) {
  console.error(`kpkeys: ${what}: ${why}`);
  const status = perform();
  if (status === 0) return;
  console.error(`kpkeys: ${what} failed`);
  process.exit(status);
}

/**
 * Why packages must be installed. npm records in node_modules what it put there, so two lock files are compared, not
 * times: a touched file means nothing, and an interrupted install is seen.
 */
function installReason() {
  const record = join(ROOT, "node_modules/.package-lock.json");
  if (!existsSync(record)) return "node_modules is missing or incomplete";
  const wanted = lockedPackages(join(ROOT, "package-lock.json"));
  const present = lockedPackages(record);
  for (const [path, entry] of Object.entries(wanted)) {
    const found = present[path];
    const same = found ? found.version === entry.version && found.integrity === entry.integrity : entry.optional;
    if (path !== "" && !same) return `${path} is not what package-lock.json asks for`;
  }
  return undefined;
}

function lockedPackages(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages;
}

/** Why the code must be built: there is no output, or a source differs from the one that was built last. */
function buildReason(target) {
  const { project } = TARGETS[target];
  const { references } = JSON.parse(readFileSync(join(ROOT, project, "tsconfig.json"), "utf8"));
  const folders = references
    .map(({ path }) => join(ROOT, project, path))
    .filter((path) => existsSync(join(path, "src")));
  const missing = folders.map((path) => join(path, "dist/index.js")).find((path) => !existsSync(path));
  if (missing) return `${relative(ROOT, missing)} is missing`;
  const stamp = join(STAMPS, target);
  if (!existsSync(stamp)) return "no finished build is on record";
  return readFileSync(stamp, "utf8") === sourceDigest(target) ? undefined : "the sources have changed";
}

/** A digest of names and contents of all that the compiler reads. */
function sourceDigest(target) {
  const hash = createHash("sha256");
  const files = readdirSync(ROOT)
    .filter((name) => /^tsconfig.*\.json$/.test(name))
    .map((name) => join(ROOT, name));
  files.push(join(ROOT, "scripts/bundle.mjs"));
  const packages = readdirSync(join(ROOT, "packages")).map((name) => join(ROOT, "packages", name));
  for (const folder of [...packages, join(ROOT, "bench")]) {
    files.push(`${folder}/package.json`, `${folder}/tsconfig.json`);
    for (const kind of TARGETS[target].folders) files.push(...filesBelow(join(folder, kind)));
  }
  for (const file of files.filter((name) => existsSync(name)))
    hash.update(`${file}\0`).update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Runs an action while no other process of this checkout does. */
async function alone(action) {
  let release = takeLock(LOCK);
  if (!release) console.error(`kpkeys: waiting: another process, which holds ${LOCK}, is installing or building here`);
  for (; !release; release = takeLock(LOCK)) await sleep(200);
  process.once("exit", release);
  action();
  release();
  process.off("exit", release);
}
