import { fileURLToPath } from "node:url";
import * as arm64 from "@kpkeys/arch-arm64-poe";
import * as x86 from "@kpkeys/arch-x86-pks";
import { credHardening } from "@kpkeys/cred-hardening";
import { readPackage } from "@kpkeys/kunit-suite/node";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import * as frame from "../../../examples/frame-keys/src/index.js";
import * as odd from "../../../examples/odd-arch/src/index.js";

const filesOf = (name: string): ReturnType<typeof readPackage> =>
  readPackage(fileURLToPath(new URL(`../../${name}`, import.meta.url)));

const features = [pgtablesHardening];

defineConformance(arm64.arm64Poe, { features, exports: arm64, files: filesOf("arch-arm64-poe") });
defineConformance(x86.x86Pks, { features, exports: x86, files: filesOf("arch-x86-pks") });
// Their own tests judge them as packages; here they are the architectures that the broken ones are made from.
defineConformance(odd.oddArch, { features, exports: odd });
defineConformance(frame.frameKeys, { features: [...features, credHardening], exports: frame });
