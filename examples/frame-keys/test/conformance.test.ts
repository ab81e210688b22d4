import { readPackage } from "@kpkeys/kunit-suite/node";
import { defineConformance } from "@kpkeys/kunit-suite/vitest";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { fileURLToPath } from "node:url";
import * as own from "../src/index.js";

const files = readPackage(fileURLToPath(new URL("..", import.meta.url)));
defineConformance(own.frameKeys, { features: [pgtablesHardening], exports: own, files });
