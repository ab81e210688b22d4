import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import type { Vector } from "@kpkeys/core/contracts";
import { Judge } from "@kpkeys/explain";
import type { VectorVerdict } from "@kpkeys/explain";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sampleOf } from "./vectors.js";

const ARCHES = [arm64Poe, x86Pks];
const lines = ARCHES.flatMap(({ id }) => sampleOf(id));
const judge = new Judge(ARCHES);

const FAULT_FIELDS = {
  "arm64-poe": ["esr", "far", "ec", "fsc", "wnr", "overlay", "dirtybit"],
  "x86-pks": ["error_code", "cr2"],
  "x86-pku": ["error_code", "cr2", "trapno", "si_code", "si_pkey", "errno"],
};
const JUDGED = ["result", "prior.result", "upper_after", "pte_after", "ad_after"];
const ALL_JUDGED = [...new Set([...JUDGED, ...Object.values(FAULT_FIELDS).flat()])].sort();

/** The judged fields of a line that it has and that the rule does not skip. */
function judgedFields(line: Vector): string[] {
  const disputed = ((line["disputed"] ?? []) as { field: string }[]).map(({ field }) => field);
  const has = (field: string): boolean => (field === "prior.result" ? "prior" in line : field in line);
  const skipped = [...disputed, ...(line["result"] === "fault" ? ["upper_after"] : [])];
  return ALL_JUDGED.filter((field) => has(field) && !skipped.includes(field));
}

/** Another value of the same form. */
function changed(value: unknown): unknown {
  if (value === "ok" || value === "fault") return value === "ok" ? "fault" : "ok";
  if (value === 0 || value === 1) return 1 - value;
  if (typeof value === "number") return value + 1;
  if (typeof value === "string") return `0x${(BigInt(value) ^ 0x8n).toString(16)}`;
  if (Array.isArray(value)) return value.map((part: unknown, index) => (index === 0 ? changed(part) : part));
  const [[name, part]] = Object.entries(value as object).slice(-1) as [[string, unknown]];
  return { ...(value as object), [name]: changed(part) };
}

/** A line with one judged field changed. */
function withChanged(line: Vector, field: string): Vector {
  return field === "prior.result"
    ? { ...line, prior: changed(line["prior"]) }
    : { ...line, [field]: changed(line[field]) };
}

describe("a line", () => {
  test("agrees as it is", () => {
    for (const line of lines) expect(judge.judge(line).disagreements).toEqual([]);
  });

  test("with any one judged field changed disagrees on just that field", () => {
    const seen = new Set<string>();
    for (const line of lines) {
      for (const field of judgedFields(line)) {
        const { disagreements } = judge.judge(withChanged(line, field));
        expect([line["id"], ...disagreements.map((each) => each.field)]).toEqual([line["id"], field]);
        seen.add(field);
      }
    }
    expect([...seen].sort()).toEqual(ALL_JUDGED);
  });

  test("with a disputed field changed agrees, and with the tables above the leaf changed after a fault", () => {
    let count = 0;
    for (const line of lines) {
      for (const field of ALL_JUDGED) {
        if (!(field in line) || judgedFields(line).includes(field)) continue;
        expect(judge.judge(withChanged(line, field)).disagreements).toEqual([]);
        expect(judge.judge(line).skipped).toContain(field);
        count++;
      }
    }
    expect(count).toBeGreaterThan(0);
  });

  test("that has no key where the signal has none disagrees if it names one", () => {
    const line = lines.find((each) => each["si_code"] === 2)!;
    expect(judge.judge({ ...line, si_pkey: 3 }).disagreements).toEqual([
      { field: "si_pkey", expected: 3, model: null },
    ]);
  });

  test("without any one of its fields is refused or disagrees, but for what it may leave out", () => {
    for (const line of lines) {
      const unused = [
        ...(line["poe"] === 1 ? [] : ["por_el1"]),
        ...(line["e0poe"] === 1 ? [] : ["por_el0"]),
        "prior",
        "disputed",
      ];
      for (const field of Object.keys(line)) {
        if (unused.includes(field)) continue;
        const rest = Object.fromEntries(Object.entries(line).filter(([name]) => name !== field));
        expect(verdictOrRefusal(rest)).toMatch(new RegExp(`field '${field}' is missing|^disagrees on ${field}$`));
      }
    }
  });

  test("with any one field of another form is refused by that field's name", () => {
    for (const line of lines.filter((_, index) => index % 3 === 0)) {
      for (const field of Object.keys(line)) {
        for (const value of [null, -1, "", { x: 1 }, [[]]]) {
          const refusal = verdictOrRefusal({ ...line, [field]: value });
          if (field === "arch")
            expect(refusal).toMatch(/is of architecture .*expected arm64-poe or x86-pks or x86-pku/);
          else expect(refusal).toContain(`field '${field}' is ${JSON.stringify(value)}; expected `);
        }
      }
    }
  });

  test("with a field that is not in its architecture's list is refused", () => {
    for (const line of lines) {
      for (const field of ["colour", "wxn", "Pte", "__proto__"]) {
        const text = `{ "${field}": 0, ${JSON.stringify(line).slice(1)}`;
        expect(verdictOrRefusal(JSON.parse(text) as Vector)).toContain(`has no field "${field}"`);
      }
    }
  });
});

function verdictOrRefusal(line: Vector): string {
  let verdict: VectorVerdict;
  try {
    verdict = judge.judge(line);
  } catch (error) {
    expect(error).toMatchObject({ name: "KpkeysError", code: "ERR_VECTOR_LINE" });
    return (error as Error).message;
  }
  const { disagreements } = verdict;
  return disagreements.length === 0 ? "agrees" : `disagrees on ${disagreements.map(({ field }) => field).join()}`;
}

test("a line of an architecture that was not chosen is refused with the chosen ones", () => {
  const x86 = new Judge([x86Pks]);
  const line = lines.find(({ arch }) => arch === "arm64-poe")!;
  expect(() => x86.judge(line)).toThrow('the line is of architecture "arm64-poe"; expected x86-pks or x86-pku');
  const { arch, ...without } = line;
  expect(arch).toBe("arm64-poe");
  expect(() => x86.judge(without)).toThrow("field 'arch' is missing; expected x86-pks or x86-pku");
});

describe("nothing is kept between lines", () => {
  // Lines that meet another one's entries, so that the model's answers are not those of the file.
  const mixed = ARCHES.flatMap(({ id }) => {
    const sample = sampleOf(id).filter((line) => line["level"] === "4k");
    return sample.slice(0, 24).map((line, index) => ({ ...line, pte: sample.at(-index - 1)!["pte"] }));
  });

  test("in any order, the model's answers are those of a fresh machine", () => {
    const alone: VectorVerdict[] = [];
    for (const line of mixed) alone.push(new Judge(ARCHES).judge(line));
    expect(alone.some(({ disagreements }) => disagreements.length > 0)).toBe(true);
    const order = fc.array(fc.nat(mixed.length - 1), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(order, (indices) => {
        for (const index of indices) expect(judge.judge(mixed[index]!)).toEqual(alone[index]);
      }),
      { numRuns: 200 },
    );
  });
});

test("the walk is that of the line judged last, as its access left the tables", () => {
  const line = lines.find((each) => each["level"] === "2m" && each["result"] === "ok" && "ad_after" in each)!;
  judge.judge(line);
  const steps = judge.walk(line);
  expect(steps.map(({ level, type }) => [level, type])).toEqual([
    [0, "table"],
    [1, "table"],
    [2, "leaf"],
  ]);
  const entries = steps.map(({ high, low }) => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
  expect(entries).toEqual([...(line["upper_after"] as string[]), line["pte_after"] as string].map(BigInt));
  const indices = steps.map(({ index }) => BigInt(index));
  expect(indices).toEqual([39n, 30n, 21n].map((shift) => (BigInt(line["va"] as string) >> shift) & 511n));
});
