import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as arm64 from "@kpkeys/arch-arm64-poe";
import * as x86 from "@kpkeys/arch-x86-pks";
import * as bpf from "@kpkeys/bpf-hardening";
import * as core from "@kpkeys/core";
import * as contracts from "@kpkeys/core/contracts";
import * as machine from "@kpkeys/core/machine";
import * as cred from "@kpkeys/cred-hardening";
import * as explain from "@kpkeys/explain";
import * as kernel from "@kpkeys/kernel";
import * as kunit from "@kpkeys/kunit-suite";
import * as conformance from "@kpkeys/kunit-suite/conformance";
import * as museum from "@kpkeys/kunit-suite/museum";
import * as pgtables from "@kpkeys/pgtables-hardening";
import * as scenarios from "@kpkeys/scenarios";
import * as secrets from "@kpkeys/secret-keys";
import * as workloads from "@kpkeys/workloads";
import * as cost from "@kpkeys/workloads/cost";
import * as workloadFiles from "@kpkeys/workloads/node";
import { parseAst } from "rolldown/parseAst";
import { describe, expect, it } from "vitest";
import { examplesOf, runExample } from "../../core/test/framework/run-examples.js";

const packages = fileURLToPath(new URL("../../", import.meta.url));
const modules = {
  "@kpkeys/arch-arm64-poe": arm64,
  "@kpkeys/arch-x86-pks": x86,
  "@kpkeys/bpf-hardening": bpf,
  "@kpkeys/core": core,
  "@kpkeys/core/contracts": contracts,
  "@kpkeys/core/machine": machine,
  "@kpkeys/cred-hardening": cred,
  "@kpkeys/explain": explain,
  "@kpkeys/kernel": kernel,
  "@kpkeys/kunit-suite": kunit,
  "@kpkeys/kunit-suite/conformance": conformance,
  "@kpkeys/kunit-suite/museum": museum,
  "@kpkeys/pgtables-hardening": pgtables,
  "@kpkeys/scenarios": scenarios,
  "@kpkeys/secret-keys": secrets,
  "@kpkeys/workloads": workloads,
  "@kpkeys/workloads/cost": cost,
  "@kpkeys/workloads/node": workloadFiles,
};

/** Every README and every source that may have examples; core's own tests run those of its sources. */
const files = readdirSync(packages)
  .flatMap((name) => [
    `${name}/README.md`,
    ...readdirSync(packages + name, { recursive: true, encoding: "utf8" })
      .filter((path) => name !== "core" && /^src\/.*\.ts$/.test(path))
      .map((path) => `${name}/${path}`),
  ])
  .concat(guidePages());

/** The pages of the guide, from the packages' folder. */
function guidePages(): string[] {
  const pages = readdirSync(`${packages}../docs`).filter((name) => name.endsWith(".md"));
  return pages.map((name) => `../docs/${name}`);
}

describe("every example prints its documented output", () => {
  for (const example of files.flatMap((file) => examplesOf(packages + file))) {
    it(example.where.slice(packages.length).replace("../", ""), async () => {
      const { printed, promised } = await runExample(example, modules);
      if (promised.length > 0) expect(printed).toEqual(promised);
      expect(printed).not.toEqual([]);
    });
  }
});

describe("the first example of each README runs on every Node.js without a compiler", () => {
  const first = readdirSync(packages).flatMap((name) => examplesOf(`${packages}${name}/README.md`).slice(0, 1));
  it.each(first)("$where", ({ code }) => {
    expect(() => parseAst(code, { lang: "js" })).not.toThrow();
  });
});
