import { fileURLToPath } from "node:url";
import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { readPackage } from "@kpkeys/kunit-suite/node";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { oddArch } from "../../../examples/odd-arch/src/index.js";

const files = readPackage(fileURLToPath(new URL("../../pgtables-hardening", import.meta.url)));

defineConformance(pgtablesHardening, { arches: [arm64Poe, x86Pks, oddArch], files });
