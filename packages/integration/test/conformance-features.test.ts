import { fileURLToPath } from "node:url";
import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { bpfHardening } from "@kpkeys/bpf-hardening";
import { credHardening } from "@kpkeys/cred-hardening";
import { readPackage } from "@kpkeys/kunit-suite/node";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { secretKeys } from "@kpkeys/secret-keys";
import { frameKeys } from "../../../examples/frame-keys/src/index.js";
import { oddArch } from "../../../examples/odd-arch/src/index.js";

const arches = [arm64Poe, x86Pks, oddArch, frameKeys];
const filesOf = (name: string): ReturnType<typeof readPackage> =>
  readPackage(fileURLToPath(new URL(`../../${name}`, import.meta.url)));

defineConformance(pgtablesHardening, { arches, files: filesOf("pgtables-hardening") });
defineConformance(bpfHardening, { arches, files: filesOf("bpf-hardening") });
defineConformance(secretKeys, { arches, files: filesOf("secret-keys") });
// Credentials exist after boot, so that the feature needs no exercise().
defineConformance(credHardening, { arches: [x86Pks], files: filesOf("cred-hardening") });
