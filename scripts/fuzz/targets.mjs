// The readers, each with small samples of its input and what must hold of what it made of an input. A reader takes any bytes and
// either returns or throws a KpkeysError.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const PACKAGES = new URL("../../packages/", import.meta.url);
const load = (path) => import(new URL(path, PACKAGES).href);
const packed = (path, lines) =>
  gunzipSync(readFileSync(new URL(path, PACKAGES)))
    .toString()
    .split("\n")
    .slice(0, lines)
    .join("\n") + "\n";

const { createPluginRegistry, readConfig } = await load("core/dist/index.js");
const { x86Pks } = await load("arch-x86-pks/dist/index.js");
const { arm64Poe } = await load("arch-arm64-poe/dist/index.js");
const { pgtablesHardening } = await load("pgtables-hardening/dist/index.js");
const { TraceReader } = await load("workloads/dist/index.js");
const { embeddedTrace, openTrace, readVmpte } = await load("workloads/dist/node/index.js");
const { Explainer, Judge, readLog, readVectors } = await load("explain/dist/index.js");
const { readKtap } = await load("kunit-suite/dist/index.js");
const { readPackage } = await load("kunit-suite/dist/node/index.js");
const { formatReplay, parseReplay } = await load("kunit-suite/dist/museum/index.js");
const { Command } = await load("cli/dist/commander.js");
const { readFilter } = await load("cli/dist/kunit-cases.js");
const { withCommonFlags, withReplayFlags } = await load("cli/dist/options.js");
const { readCosts } = await load("cli/dist/overhead/costs.js");

const folder = mkdtempSync(join(tmpdir(), "kpkeys-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** A file with the input. */
function file(input, name = "input") {
  const path = join(folder, name);
  writeFileSync(path, input);
  return path;
}

function must(holds, what) {
  if (!holds) throw new Error(`property: ${what}`);
}

/** A trace in one piece and in pieces gives the same, and every line is in one count. */
function readTrace(input, random) {
  const outcome = (pieces) => {
    try {
      const reader = new TraceReader("trace", () => undefined);
      for (const piece of pieces) reader.push(piece);
      return { summary: reader.finish() };
    } catch (error) {
      if (error.name !== "KpkeysError") throw error;
      return { code: error.code, message: error.message };
    }
  };
  const whole = outcome([input]);
  const pieces = [];
  for (let at = 0; at < input.length;) pieces.push(input.subarray(at, (at += 1 + random.below(200))));
  must(JSON.stringify({ ...outcome(pieces) }) === JSON.stringify(whole), "pieces give the same as the whole");
  if (whole.summary === undefined) return;
  const { lines, eventLines, comments, blanks, unused } = whole.summary;
  const sum = Object.values(unused).reduce((total, count) => total + count, eventLines + comments + blanks);
  must(sum === lines, `lines ${lines} = events + comments + blanks + unused ${sum}`);
}

/** Every number in a document can be printed as JSON. */
function allFinite(value) {
  const open = [value];
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node === "number") must(Number.isFinite(node), "every number is finite");
    else if (typeof node === "object" && node !== null) for (const child of Object.values(node)) open.push(child);
  }
}

const judge = new Judge([arm64Poe, x86Pks]);
const explainers = [arm64Poe, x86Pks].map((arch) => new Explainer(arch, [pgtablesHardening]));
const registry = createPluginRegistry([x86Pks, arm64Poe]);
must(registry !== undefined, "the architectures belong to one core");

const OOPS_ARM64 = `[    6.568889] Unable to handle kernel write to read-only memory at virtual address ffff000081a03ba0
[    6.570089] Mem abort info:
[    6.570090]   ESR = 0x000000009600004f
[    6.570091]   EC = 0x25: DABT (current EL), IL = 32 bits
[    6.570095]   FSC = 0x0f: level 3 permission fault
[    6.570096] swapper pgtable: 4k pages, 48-bit VAs, pgdp=00000000f7e38000
[    6.570097] [ffff000081a03ba0] pgd=10000000fffff003, p4d=10000000fffff003, pud=10000000ffffe003, pmd=10000000ffffd003, pte=00680000f8e00f03
[    6.570102] Internal error: Oops: 000000009600004f [#1] SMP
`;
const OOPS_X86 = `[    1.000000] BUG: unable to handle page fault for address: ffff888003a03ba0
[    1.000001] #PF: supervisor write access in kernel mode
[    1.000002] #PF: error_code(0x0003) - permissions violation
[    1.000003] PGD 2a01067 P4D 2a01067 PUD 2a02067 PMD 80000000039001e3
[    1.000004] Oops: Oops: 0003 [#1] SMP
[    1.000005] CR2: ffff888003a03ba0 CR3: 0000000002a00000 CR4: 00000000000006f0
`;
const KTAP = `KTAP version 1
1..2
    KTAP version 1
    # Subtest: suite
    1..3
    ok 1 one
    ok 2 two # SKIP no pkeys
# a line of the log
    not ok 3 three
not ok 1 suite
ok 2 other
`;

/** The targets. */
export const TARGETS = [
  ...[
    ["perf script", "columns.perf-script.txt.gz"],
    ["call chains", "call-chains.perf-script.txt.gz"],
    ["ftrace", "ftrace.txt.gz"],
    ["strace", "strace.txt.gz"],
    ["strace -o", "strace-o.txt.gz"],
  ].map(([name, path]) => ({ name, samples: [packed(`workloads/testdata/${path}`, 40)], run: readTrace })),
  {
    name: "ktap",
    samples: [KTAP],
    run: (input) => allFinite(readKtap(input.toString())),
  },
  {
    name: "vectors",
    samples: ["arm64-poe", "x86-pks"].map((arch) => packed(`arch-${arch}/testdata/vectors.jsonl.gz`, 2)),
    async run(input) {
      let judged = 0;
      const lines = await readVectors(
        await openTrace(file(input)),
        (vector) => void (judge.judge(vector), judged++),
        () => undefined,
      );
      must(lines === judged, `each of ${lines} lines is judged, ${judged} were`);
    },
  },
  {
    name: "vmpte",
    samples: [readFileSync(embeddedTrace.vmpte, "utf8").split("\n").slice(0, 4).join("\n") + "\n"],
    run(input) {
      const records = readVmpte(file(input));
      const filled = input
        .toString()
        .split("\n")
        .filter((line) => line.trim() !== "");
      must(records.length === filled.length, "a record for each line");
      allFinite(records);
    },
  },
  {
    name: "config",
    samples: ["CONFIG_KUNIT=y\n# CONFIG_KPKEYS is not set\n\nCONFIG_ARM64_POE=y\n"],
    run: (input) => void readConfig(input.toString().split(/\r?\n/)),
  },
  {
    name: "costs",
    samples: [
      readFileSync(new URL("workloads/src/cost/rfc-v5.costs.json", PACKAGES), "utf8")
        .slice(0, 600)
        .replace(/,\s*\S*\s*$/, ""),
    ],
    run: async (input) => allFinite(await readCosts(file(input), ["arm64-poe", "x86-pks"])),
  },
  {
    name: "manifest",
    samples: [
      '{"name":"x","main":"./lib","exports":{".":{"types":"./i.d.ts","default":"./i.js"}},"dependencies":{"a":"1"}}',
    ],
    run(input) {
      mkdirSync(join(folder, "package"), { recursive: true });
      file('import "a"; export * from "./i.js"', "package/i.js");
      file(input, "package/package.json");
      readPackage(join(folder, "package"));
    },
  },
  {
    name: "module",
    samples: ['/* a */ import x from "a";\n// import "b"\nexport * from "./i.js"; import("c");\n'],
    run(input) {
      mkdirSync(join(folder, "module"), { recursive: true });
      file('{"exports":"./i.js"}', "module/package.json");
      file(input, "module/i.js");
      readPackage(join(folder, "module"));
    },
  },
  {
    name: "oops",
    samples: [OOPS_ARM64, OOPS_X86],
    run: async (input) => allFinite(await readLog(await openTrace(file(input)), explainers)),
  },
  {
    name: "options",
    samples: [
      "--arch arm64-poe,x86-pks --series v5,next --memory 4GiB --cpus 4 --seed 7 --until 2.5s --sample 3 --check step",
      "--policy off,naive --feature cred --until 100 --workers 2 --wrmsr-cycles 120 --no-pkeys --json",
    ],
    run(input) {
      const command = new Command("x")
        .exitOverride()
        .configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
      withReplayFlags(withCommonFlags(command, ["batched"])).parse(input.toString().split(/\s+/), { from: "user" });
      allFinite(command.opts());
    },
  },
  {
    name: "replay string",
    samples: ["fork-oom:red:arm64-poe:1\n", "irq-inherits:green:x86-pks:42\n"],
    run(input) {
      const text = input.toString().trimEnd();
      must(formatReplay(parseReplay(text)) === text, "what is read is written alike");
    },
  },
  {
    name: "filter",
    samples: ["*.write_*_pmd", "kpkeys_[a-z]*", "?*?*?*?*?*?*x"],
    run: (input) => void readFilter(input.toString())("kpkeys_hardened_pgtables", "write_user_pmd_hardened"),
  },
];
