import { spawnSync } from "node:child_process";

/** Prints a line on stderr. @param {string} what - the line */
export function print(what) {
  process.stderr.write(`rehearsal: ${what}\n`);
}

/**
 * Runs a program and gives what it printed; ends the rehearsal with all that it printed if it fails.
 *
 * @param {string} program - its name or path
 * @param {string[]} args - its arguments
 * @param {{ cwd: string, env?: Record<string, string | undefined> }} options - where, and what is set besides the environment
 * @returns {string} its stdout
 */
export function run(program, args, { cwd, env = {} }) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")} failed in ${cwd}\n${error ?? ""}${stdout}${stderr}`);
}

/**
 * Holds what was seen to what was expected.
 *
 * @param {string} claim - what is held
 * @param {string} seen - what was seen
 * @param {string} expected - what it must be, to the letter
 */
export function check(claim, seen, expected) {
  if (seen !== expected) throw new Error(`${claim}: expected\n${expected}\nbut there was\n${seen}`);
  print(`ok: ${claim}`);
}
