import { bpfHardening } from "@kpkeys/bpf-hardening";
import { createPluginRegistry } from "@kpkeys/core";
import { credHardening } from "@kpkeys/cred-hardening";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack, runSuites } from "@kpkeys/kunit-suite";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { secretKeys } from "@kpkeys/secret-keys";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import { describe, expect, test } from "vitest";
import { GEOMETRY_CASES } from "../geometries.js";
import type { GeometryCase } from "../geometries.js";

const GiB = 2 ** 30;

function hardened({ plugin }: GeometryCase, spec: Partial<MachineSpec>): Machine {
  const registry = createPluginRegistry([plugin, pgtablesHardening]);
  return buildMachine({ ...DEFAULT_SPEC, arch: plugin.id, features: ["pgtables"], ...spec }, registry);
}

describe.each(GEOMETRY_CASES)("$name", ({ plugin }) => {
  defineConformance(plugin, { features: [pgtablesHardening, credHardening, bpfHardening, secretKeys] });
});

/** How versions of the series tag tables, with the linear map that they have. */
const FORMS = [
  ["block-allocator", "block", { tagging: "block-allocator" }],
  ["ctor", "pte", { tagging: "ctor", early: "late-walk" }],
] as const;
const HARDENED = GEOMETRY_CASES.flatMap((geometryCase) =>
  FORMS.map(([tagging, linearMap, pgtables]) => ({ ...geometryCase, tagging, linearMap, pgtables })),
);

test.each(HARDENED)("$name, tables tagged by $tagging: suites pass, and no attack gets through", (hardenedCase) => {
  const { linearMap, pgtables } = hardenedCase;
  const machine = hardened(hardenedCase, {
    memory: [{ bytes: 2 * GiB }],
    options: { pgtables },
    kernel: { linearMap },
  });
  const failed = runSuites(machine).flatMap(({ cases }) => cases.filter(({ status }) => status === "failed"));
  expect(failed).toEqual([]);
  const tables = machine.scan();
  expect(coverageOf(machine, tables).gaps).toEqual([]);
  expect(attack(machine, tables).gaps).toEqual([]);
});

// The recording is of 4 KiB pages and user addresses of 47 bits.
test.each(GEOMETRY_CASES.filter(({ geometry }) => geometry.pageShift === 12 && geometry.addressBits >= 48))(
  "$name: a replay has as many page tables as Linux counted, with any number of levels",
  async (geometryCase) => {
    const machine = hardened(geometryCase, { memory: [{ bytes: GiB }] });
    const { linux, unexplainedFaults } = await replayFile(machine, embeddedTrace.trace, {
      vmpte: embeddedTrace.vmpte,
    });
    expect(linux).toEqual({ processes: 5, equal: 5, differences: [] });
    expect(unexplainedFaults).toBe(0);
  },
);
