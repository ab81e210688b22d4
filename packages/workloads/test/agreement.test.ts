import { describe, expect, test } from "vitest";
import { AREA, call, compare, exec, exit, fault, fork, mmap, PAGE, STACK } from "./support.js";
import type { Line } from "./support.js";

/** A process with two table pages below the top level at its exit. */
const LIFE: readonly Line[] = [...mmap(7, AREA, 1), fault(7, AREA)];

const clone3 = (): Line[] => {
  const [enter, leave] = call(7, "clone3", { uargs: 0x1000, size: 88 }, 8);
  return [enter!, fork(7, 8), leave!];
};
const clone = (): Line[] => {
  const [enter, leave] = call(
    7,
    "clone",
    { clone_flags: 0x10f00, newsp: 0, parent_tidptr: 0, child_tidptr: 0, tls: 0 },
    8,
  );
  return [enter!, fork(7, 8), leave!];
};

/** Recordings that lack information about process 7, by that information. */
const UNKNOWN: readonly (readonly [string, ...Line[]])[] = [
  ["its start", ...LIFE, ...exit(7)],
  ["the effect of a refused system call", exec(7), ...LIFE, ...mmap(7, 0, 1), ...exit(7)],
  ["the mapping of a fault", exec(7), ...LIFE, fault(7, 0x10), ...exit(7)],
  ["the flags of clone3", exec(7), ...LIFE, ...clone3(), ...exit(7)],
  ["the mappings that mlockall filled", exec(7), ...LIFE, ...call(7, "mlockall", { flags: 1 }, 0), ...exit(7)],
  ["the order of its threads' faults", exec(7), ...LIFE, ...clone(), ...exit(7)],
];

async function whyOf(lines: readonly Line[], tables: number): Promise<string> {
  const { differences } = await compare(lines, [7, tables]);
  expect(differences).toHaveLength(1);
  return differences[0]!.why;
}

describe("a difference from Linux", () => {
  test("has a different reason for each kind of missing information", async () => {
    const known = await whyOf([exec(7), ...LIFE, ...exit(7)], 5);
    const reasons = new Set([known]);
    for (const [, ...lines] of UNKNOWN) reasons.add(await whyOf(lines, 5));
    expect(reasons.size).toBe(UNKNOWN.length + 1);
    reasons.add(await whyOf([exec(7)], 5));
    expect(reasons.size).toBe(UNKNOWN.length + 2);
  });

  test("has lost events as its reason only for programs that ran when perf lost them", async () => {
    const lost: Line = [0, "PERF_RECORD_LOST lost 5"];
    const reasons = await Promise.all([
      whyOf([exec(7), ...LIFE, lost, ...exit(7)], 5),
      whyOf([exec(7), lost, exec(7), ...LIFE, ...exit(7)], 5),
      whyOf([exec(7), ...LIFE, ...exit(7)], 5),
    ]);
    expect(reasons[0]).not.toBe(reasons[2]);
    expect(reasons[1]).toBe(reasons[2]);
  });

  test("may come from the strings of execve on a stack near the end of a table, if Linux has more tables", async () => {
    const near = [exec(7), ...mmap(7, AREA, 1), fault(7, STACK + 2046 * PAGE), ...exit(7)];
    const far = [exec(7), ...mmap(7, AREA, 1), fault(7, STACK + 100 * PAGE), ...exit(7)];
    const none = await whyOf(far, 5);
    expect(await whyOf(near, 5)).not.toBe(none);
    expect(await whyOf(near, 1)).toBe(none);
  });
});
