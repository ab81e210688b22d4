import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { readPackage } from "@kpkeys/kunit-suite/conformance";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { selinuxState } from "../src/index.js";

defineConformance(selinuxState, { arches: [arm64Poe, x86Pks], files: readPackage(".") });
