// Bundles the worked examples that are templates of new packages.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { KINDS } from "../dist/index.js";

const examples = fileURLToPath(new URL("../../../examples/", import.meta.url));
const templates = fileURLToPath(new URL("../templates/", import.meta.url));
const isSource = (path) => !/[\\/](node_modules|dist|package-lock\.json)$/.test(path);

rmSync(templates, { recursive: true, force: true });
for (const name of Object.values(KINDS)) {
  cpSync(examples + name, templates + name, { recursive: true, filter: isSource });
}
