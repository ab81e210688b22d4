/** A result of a parsed document. */
export interface ParsedResult {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  readonly children: readonly ParsedResult[];
}

/** A parsed document: its results, and the errors that kunit.py would report. */
export interface ParsedKtap {
  readonly results: readonly ParsedResult[];
  readonly errors: readonly string[];
}

/**
 * Reads a document by the grammar of the kernel's tools/testing/kunit/kunit_parser.py: indentation has no meaning, a subtest
 * begins with a version line and a `# Subtest:` line and ends with the next result line of the same name, plans and numbers are
 * checked, and any other line is a diagnostic, which must begin with `#`.
 */
export function parseKtap(text: string): ParsedKtap {
  const lines = text.split("\n").map((line) => line.trim());
  if (lines.pop() !== "") return { results: [], errors: ["the document does not end with a newline"] };
  const errors: string[] = [];
  let at = 0;

  function parsePlan(): number {
    const plan = /^1\.\.([0-9]+)$/.exec(lines[at] ?? "");
    if (plan === null) errors.push(`line ${at + 1}: no plan`);
    else at++;
    return Number(plan?.[1] ?? 0);
  }

  function parseResults(parent?: string): ParsedResult[] {
    const planned = parsePlan();
    const results: ParsedResult[] = [];
    let children: ParsedResult[] | undefined;
    let subtest: string | undefined;
    while (results.length < planned && at < lines.length) {
      const line = lines[at++]!;
      const header = /^# Subtest: (.*)$/.exec(lines[at] ?? "");
      const result = /^(ok|not ok) ([0-9]+) (?:- )?([^#]*)( # .*)?$/.exec(line);
      if (line === "KTAP version 1" && header !== null) {
        subtest = header[1]!;
        at++;
        children = parseResults(subtest);
      } else if (result !== null) {
        const [, ok, number, name, directive = ""] = result;
        if (parent !== undefined && name === parent && subtest === undefined) {
          at--;
          break;
        }
        if (Number(number) !== results.length + 1) errors.push(`line ${at}: number ${number!}`);
        if (subtest !== undefined && subtest !== name) errors.push(`line ${at}: result of ${subtest} is missing`);
        const status = directive.startsWith(" # SKIP") ? "skipped" : ok === "ok" ? "passed" : "failed";
        results.push({ name: name!, status, children: children ?? [] });
        children = subtest = undefined;
      } else if (!line.startsWith("#")) errors.push(`line ${at}: unknown: ${line}`);
    }
    if (results.length < planned) errors.push(`${planned - results.length} results are missing`);
    return results;
  }

  if (lines[at++] !== "KTAP version 1") errors.push("no version line");
  const results = parseResults();
  if (at < lines.length) errors.push(`line ${at + 1}: text after the last result`);
  return { results, errors };
}
