// Copies code into the Markdown pages that show it, so that a page reads the same in a clone and on the site:
//
//   <!-- code: ../examples/odd-arch/src/format.ts#bits -->     the file, and a `// #region` of it
//
//   ```typescript
//   ...                                                        written by `npm run docs:code`
//   ```
//
// `--check` writes nothing and exits 1 where a page differs from the file.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BLOCK = /^<!-- code: (\S+?)(?:#(\w+))? -->\n\n```typescript\n[^]*?^```$/gm;

/** The code that a comment names, without its region markers. */
function codeOf(path, region) {
  const text = readFileSync(path, "utf8");
  if (region === undefined) return text.replaceAll(/^\/\/ #(?:end)?region.*\n\n?/gm, "").trim();
  const found = new RegExp(`^// #region ${region}\\n([^]*?)^// #endregion ${region}$`, "m").exec(text);
  if (found === null) throw new Error(`${path} has no region ${region}`);
  return found[1].trim();
}

/** A page with the code as it is in the files now. */
export function withCode(page) {
  const text = readFileSync(page, "utf8");
  if (text.match(BLOCK)?.length !== text.match(/^<!-- code: /gm)?.length)
    throw new Error(`${page}: a "code:" comment has no typescript block after it`);
  return text.replaceAll(BLOCK, (_, path, region) => {
    const code = codeOf(resolve(dirname(page), path), region);
    return `<!-- code: ${path}${region === undefined ? "" : `#${region}`} -->\n\n\`\`\`typescript\n${code}\n\`\`\``;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const pages = readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"));
  for (const page of pages.map((name) => join(ROOT, "docs", name))) {
    const code = withCode(page);
    if (code === readFileSync(page, "utf8")) continue;
    if (!process.argv.includes("--check")) writeFileSync(page, code);
    else {
      console.error(`${page}: the code shown is not that of its file: run npm run docs:code`);
      process.exitCode = 1;
    }
  }
}
