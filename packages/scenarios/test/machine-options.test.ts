import { createPluginRegistry } from "@kpkeys/core";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import { describe, expect, test } from "vitest";
import { oddArch } from "../../../examples/odd-arch/src/index.js";
import { machineOptionsOf, POLICIES, SERIES } from "../src/index.js";
import type { Policy, SeriesName } from "../src/index.js";

const VERSIONS = Object.keys(SERIES) as SeriesName[];
const NAMES = Object.keys(POLICIES) as Policy[];

describe.each(VERSIONS)("%s", (series) => {
  test("is plain JSON", () => {
    const plain: unknown = JSON.parse(JSON.stringify(SERIES[series]));
    expect(plain).toEqual(SERIES[series]);
  });

  test.each(NAMES)("under %s has options for exactly the loaded plugins", (policy) => {
    const { features, options } = machineOptionsOf(series, policy, "arm64-poe", ["pgtables", "cred"]);
    expect(features).toEqual(policy === "off" ? [] : ["pgtables", "cred"]);
    expect(Object.keys(options)).toEqual(["arm64-poe", ...features]);
  });

  test.each(NAMES)("under %s boots an architecture that the version does not name", (policy) => {
    const { options, kernel, ...rest } = machineOptionsOf(series, policy, oddArch.id, []);
    expect(options).toEqual({ [oddArch.id]: {} });
    const spec = { ...DEFAULT_SPEC, arch: oddArch.id, options, kernel, ...rest, memory: [{ bytes: 64 * 2 ** 20 }] };
    const machine = buildMachine(spec, createPluginRegistry([oddArch]));
    expect(machine.counters().tableWrites).toBeGreaterThan(0);
  });
});

test("naive is the version without batching, batched is the version itself", () => {
  const of = (policy: Policy): object | undefined =>
    machineOptionsOf("v6", policy, "x86-pks", ["pgtables"]).options["pgtables"];
  expect(of("naive")).toEqual({ ...SERIES.v6.options["pgtables"], batching: false });
  expect(of("batched")).toEqual(SERIES.v6.options["pgtables"]);
});

test("off has the mappings of the version, and does not save or reset the key register", () => {
  expect(machineOptionsOf("v6", "off", "x86-pks", []).kernel).toEqual({ linearMap: "block", irqStacks: "vmap" });
  expect(machineOptionsOf("v6", "batched", "x86-pks", []).kernel).toBe(SERIES.v6.kernel);
});
