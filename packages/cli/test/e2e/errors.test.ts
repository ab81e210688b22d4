import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, describe, expect, test } from "vitest";
import { kpkeys, kpkeysWith } from "./kpkeys.js";
import { expectRejection } from "./rejection.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Writes a file for a test. */
function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const packed = readFileSync(embeddedTrace.trace);
const lines = gunzipSync(packed).toString().split("\n");

describe("a config is rejected", () => {
  const kunit = ["kunit", "--arch", "arm64-poe"];

  test("that does not exist", () => {
    expectRejection([...kunit, "--config", join(folder, "nosuch")], "ERR_INPUT_MISSING", "nosuch: ", "expected");
  });

  test("with a malformed line, with its number", () => {
    const path = file("numbers.config", "CONFIG_ARM64_POE=y\n\nCONFIG_NR_CPUS=sixty\n");
    expectRejection([...kunit, "--config", path], "ERR_CONFIG_LINE", `${path}:3: 'CONFIG_NR_CPUS=sixty'`, "CONFIG_X=y");
  });

  test("that turns off a dependency of a feature", () => {
    const off = file("off.config", "# CONFIG_ARM64_POE is not set\n");
    expectRejection([...kunit, "--config", off], "ERR_CONFIG_DEPENDS", "CONFIG_KPKEYS_HARDENED_PGTABLES");
    const on = file("on.config", "CONFIG_ARM64_POE=y\nCONFIG_KPKEYS_HARDENED_PGTABLES=y\n");
    expect(kpkeys(...kunit, "--config", on).status).toBe(0);
  });
});

test("a timeline is rejected that cannot be written, or would overwrite its recording", () => {
  const recording = file("precious", packed);
  expectRejection(["replay", recording, "--trace-out", folder], "ERR_OUTPUT", folder, "expected");
  expectRejection(["replay", recording, "--trace-out", recording], "ERR_OUTPUT", recording);
  expect(readFileSync(recording)).toEqual(packed);
});

describe("a trace is rejected with a code and its place", () => {
  test("that does not exist", () => {
    expectRejection(["run", join(folder, "nosuch")], "ERR_INPUT_MISSING", "nosuch: ", "expected");
  });

  test("that is a directory", () => {
    expectRejection(["run", folder], "ERR_INPUT_KIND", `${folder}: `);
  });

  test("whose gzip data is truncated", () => {
    const path = file("truncated.gz", packed.subarray(0, packed.length / 2));
    expectRejection(["run", path], "ERR_INPUT_TRUNCATED", path, "expected");
  });

  test("that is binary", () => {
    const path = file(
      "binary",
      Uint8Array.from({ length: 5000 }, (_, i) => (i * i) & 0xff),
    );
    expectRejection(["run", path], "ERR_INPUT_KIND", path, "expected");
  });

  test("that is empty", () => {
    const path = file("empty", "");
    expectRejection(["run", path], "ERR_TRACE_EMPTY", path, "expected");
  });

  test("that has a damaged line, with its number", () => {
    const path = file("damaged", [...lines.slice(0, 99), lines[99]!.replace(/\d+\.\d+:/, "late:"), ""].join("\n"));
    expectRejection(["run", path], "ERR_TRACE_LINE", `${path}:100: `, "expected");
  });

  test("that needs more memory than the machine has, with the line", () => {
    const path = file("greedy", greedyTrace());
    expectRejection(["run", path, "--memory", "64MiB"], "ERR_OUT_OF_MEMORY", `${path}:`);
  });

  test("that is a pipe which several machines would read", () => {
    const path = join(folder, "pipe");
    execFileSync("mkfifo", [path]);
    expectRejection(["run", path], "ERR_INPUT_KIND", `${path}: `);
  });

  test("by every command that reads one", () => {
    for (const command of ["replay", "attack"]) expectRejection([command, join(folder, "nosuch")], "ERR_INPUT_MISSING");
    expectRejection(["run", "--vmpte", join(folder, "nosuch")], "ERR_INPUT_MISSING", "nosuch");
  });
});

/** A process that maps 1 GiB and writes to each page of the first 128 MiB: more than a small machine has. */
function greedyTrace(): string {
  const event = (micros: number, text: string): string => `gcc 7 [000] ${(1 + micros / 1e6).toFixed(6)}: ${text}`;
  const faults = Array.from({ length: 32_768 }, (_, i) => {
    const address = (0x10000000 + 4096 * i).toString(16);
    return event(3 + i, `exceptions:page_fault_user: address=0x${address} ip=0x400000 error_code=0x6`);
  });
  const mmap =
    "syscalls:sys_enter_mmap: addr: 0x10000000, len: 0x40000000, prot: 0x00000003, flags: 0x00000022, fd: 0xffffffff, off: 0x00000000";
  return [event(1, mmap), event(2, "syscalls:sys_exit_mmap: 0x10000000"), ...faults, ""].join("\n");
}

describe("a command line is rejected", () => {
  test.each<[string, string[], ...string[]]>([
    ["an architecture", ["--arch", "riscv"], "'riscv'", "expected arm64-poe, x86-pks"],
    ["an architecture among others", ["--arch", "x86-pks,riscv"], "'riscv'", "expected arm64-poe, x86-pks"],
    ["a series", ["--series", "v99"], "'v99'", "expected v3, v4, v5, v6, v7, v8, v9, next"],
    ["a policy", ["--policy", "on"], "'on'", "expected off, naive, batched"],
    ["a feature", ["--feature", "nosuch"], "'nosuch'", "expected pgtables"],
    ["a size", ["--memory", "4G"], "'4G'"],
    ["a number", ["--cpus", "many"], "'many'"],
    ["a flag", ["--frob"], "'--frob'", "--help"],
  ])("with %s that does not exist", (_, args, ...texts) => {
    for (const command of ["run", "kunit", "attack"]) expectRejection([command, ...args], "ERR_USAGE", ...texts);
  });

  test.each([
    ["zero events", ["--until", "0"]],
    ["a time of another unit", ["--until", "2m"]],
    ["zero programs", ["--sample", "0"]],
    ["zero workers", ["--workers", "0"]],
    ["half a worker", ["--workers", "0.5"]],
  ])("with %s to replay", (_, args) => {
    expectRejection(["run", ...args], "ERR_USAGE", `'${args[1]!}'`);
  });

  test("with an unknown command, two traces, or no trace", () => {
    expectRejection(["frob"], "ERR_USAGE", "'frob'", "`kpkeys --help`");
    expectRejection(["run", "a", "b"], "ERR_USAGE", "`kpkeys run --help`");
    expectRejection(["replay"], "ERR_USAGE", "'trace'", "`kpkeys replay --help`");
  });

  test("that describes an impossible machine", () => {
    expectRejection(["run", "--memory", "5MiB"], "ERR_SPEC", "memory");
    expectRejection(["kunit", "--memory", "4MiB"], "ERR_OUT_OF_MEMORY");
    expectRejection(["run", "--cpus", "0"], "ERR_SPEC", "cpus");
  });
});

test("--help and --version print on stdout", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(kpkeys("--version")).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  const { status, stdout, stderr } = kpkeys("run", "--help");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  for (const flag of ["--arch", "--series", "--policy", "--memory", "--no-pkeys", "--vmpte", "--json"])
    expect(stdout).toContain(flag);
});

test.each([
  ["--help", 0],
  ["--version", 0],
  ["run --help", 0],
  ["run --arch riscv", 2],
  ["frob", 2],
])("kpkeys %s loads no container, kernel or plugins", (args, expected) => {
  const coverage = join(folder, args);
  expect(kpkeysWith({ NODE_V8_COVERAGE: coverage }, args.split(" ")).status).toBe(expected);
  const [name] = readdirSync(coverage);
  const { result } = JSON.parse(readFileSync(join(coverage, name!), "utf8")) as { result: { url: string }[] };
  const loaded = result.map(({ url }) => url);
  expect(loaded).toContainEqual(expect.stringContaining("packages/cli/dist/program.js"));
  expect(loaded.filter((url) => /tsyringe|reflect-metadata|packages\/(?!cli\/|scenarios\/)/.test(url))).toEqual([]);
});
