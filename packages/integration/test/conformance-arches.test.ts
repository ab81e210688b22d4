import { fileURLToPath } from "node:url";
import * as arm64 from "@kpkeys/arch-arm64-poe";
import * as x86 from "@kpkeys/arch-x86-pks";
import { readPackage } from "@kpkeys/kunit-suite/node";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import * as odd from "../../../examples/odd-arch/src/index.js";

const filesOf = (name: string): ReturnType<typeof readPackage> =>
  readPackage(fileURLToPath(new URL(`../../${name}`, import.meta.url)));

const features = [pgtablesHardening];

defineConformance(arm64.arm64Poe, { features, exports: arm64, files: filesOf("arch-arm64-poe") });
defineConformance(x86.x86Pks, { features, exports: x86, files: filesOf("arch-x86-pks") });
// Its own tests judge it as a package; here it is the architecture that the broken ones are made from.
defineConformance(odd.oddArch, { features, exports: odd });
