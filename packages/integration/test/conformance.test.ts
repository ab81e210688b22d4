import * as arm64 from "@kpkeys/arch-arm64-poe";
import * as x86 from "@kpkeys/arch-x86-pks";
import { readPackage } from "@kpkeys/kunit-suite/conformance";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import * as pgtables from "@kpkeys/pgtables-hardening";
import { fileURLToPath } from "node:url";
import * as odd from "../../../examples/odd-arch/src/index.js";

const filesOf = (name: string): ReturnType<typeof readPackage> =>
  readPackage(fileURLToPath(new URL(`../../${name}`, import.meta.url)));

const features = [pgtables.pgtablesHardening];
const arches = [arm64.arm64Poe, x86.x86Pks, odd.oddArch];

defineConformance(arm64.arm64Poe, { features, exports: arm64, files: filesOf("arch-arm64-poe") });
defineConformance(x86.x86Pks, { features, exports: x86, files: filesOf("arch-x86-pks") });
defineConformance(odd.oddArch, { features, exports: odd });
defineConformance(pgtables.pgtablesHardening, { arches, exports: pgtables, files: filesOf("pgtables-hardening") });
