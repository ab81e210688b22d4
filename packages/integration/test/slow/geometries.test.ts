import { credHardening } from "@kpkeys/cred-hardening";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe } from "vitest";
import { GEOMETRY_CASES } from "../geometries.js";

describe.each(GEOMETRY_CASES)("$name", ({ plugin }) => {
  defineConformance(plugin, { features: [pgtablesHardening, credHardening] });
});
