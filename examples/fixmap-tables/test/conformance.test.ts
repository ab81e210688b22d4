import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { readPackage } from "@kpkeys/kunit-suite/node";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { fileURLToPath } from "node:url";
import * as own from "../src/index.js";

const files = readPackage(fileURLToPath(new URL("..", import.meta.url)));
defineConformance(own.fixmapTables, { arches: [arm64Poe, x86Pks], exports: own, files });
