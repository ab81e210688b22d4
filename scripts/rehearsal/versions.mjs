import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { check, run, print } from "./run.mjs";

const STEPS = ["patch", "minor", "major"];

/**
 * Turns the changesets of a checkout into versions and changelogs, as a release does, and commits the result. Every package has
 * the step that its changesets ask for: changesets can make a major of a package whose peer got a minor.
 *
 * @param {string} checkout - a clone with its packages installed
 */
export function version(checkout) {
  const plan = planOf(checkout);
  if (plan.changesets.length === 0) return print("no changesets: the versions are those of the last release");
  run("npm", ["run", "--silent", "version-packages"], { cwd: checkout });
  for (const { name, type, newVersion } of plan.releases.filter((release) => release.type !== "none")) {
    check(`the step of ${name}, ${type}`, type, stepAskedFor(name, plan.changesets));
    check(
      `${name}@${newVersion} in package.json, package-lock.json and CHANGELOG.md`,
      versionsOf(name, checkout),
      newVersion,
    );
  }
  run("npx", ["vitest", "run", "packages/integration/test/packages.test.ts"], { cwd: checkout });
  const author = ["-c", "user.name=rehearsal", "-c", "user.email=rehearsal@localhost"];
  run("git", [...author, "commit", "--quiet", "--all", "--message", "versions"], { cwd: checkout });
  check("no changeset remains", planOf(checkout).changesets.length, 0);
}

/**
 * Holds `lerna changed` to finding nothing in a commit that was just published.
 *
 * @param {string} checkout - the clone, with the tags that `changeset publish` made
 */
export function checkNothingChanged(checkout) {
  const changed = JSON.parse(run("npx", ["lerna", "ls", "--since", "--json"], { cwd: checkout }));
  check("no package has changed since the release", changed.map(({ name }) => name).join(" "), "");
}

/** The plan of changesets: the changesets, and each package's step with its new version. */
function planOf(checkout) {
  const file = ".git/release-plan.json";
  run("npx", ["changeset", "status", `--output=${file}`], { cwd: checkout });
  return JSON.parse(readFileSync(join(checkout, file), "utf8"));
}

/** The largest step of a package's changesets. A package without one is there for its dependencies: a patch. */
function stepAskedFor(name, changesets) {
  const steps = changesets.flatMap(({ releases }) => releases.filter((release) => release.name === name));
  return STEPS[Math.max(0, ...steps.map(({ type }) => STEPS.indexOf(type)))];
}

/** The versions that the manifest, the lock file and the changelog of a package give; one if they agree. */
function versionsOf(name, checkout) {
  const read = (file) => readFileSync(join(checkout, file), "utf8");
  const folder = readdirSync(join(checkout, "packages"))
    .map((entry) => `packages/${entry}`)
    .find((path) => JSON.parse(read(`${path}/package.json`)).name === name);
  const given = [
    JSON.parse(read(`${folder}/package.json`)).version,
    JSON.parse(read("package-lock.json")).packages[folder].version,
    /^## (.*)$/m.exec(read(`${folder}/CHANGELOG.md`))?.[1],
  ];
  return [...new Set(given)].join(" ");
}
