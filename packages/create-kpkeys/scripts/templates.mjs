// Bundles the worked examples: they are the templates of new packages.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const examples = fileURLToPath(new URL("../../../examples/", import.meta.url));
const templates = fileURLToPath(new URL("../templates/", import.meta.url));
const isSource = (path) => !/[\\/](node_modules|dist|package-lock\.json)$/.test(path);

rmSync(templates, { recursive: true, force: true });
cpSync(examples, templates, { recursive: true, filter: isSource });
