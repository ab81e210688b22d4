import { Command, InvalidArgumentError } from "commander";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobsOf, listOf, readBytes, readWhole, withCommonFlags, withReplayFlags } from "../src/options.js";
import type { CommonFlags } from "../src/options.js";
import { completeFlags } from "../src/plugins/flags.js";
import { BUNDLED, idsOf, defaultFeatures } from "../src/plugins/registry.js";
import { POLICIES, SERIES } from "@kpkeys/scenarios";

/** The parsed flags of a command line. */
function flagsOf(...args: string[]): CommonFlags {
  const command = withCommonFlags(new Command("test"), ["off", "naive", "batched"]).exitOverride();
  command.configureOutput({ writeErr: () => undefined }).parse(args, { from: "user" });
  completeFlags(command, BUNDLED);
  return command.opts();
}

const someOf = <Name extends string>(table: Readonly<Record<Name, unknown>>): fc.Arbitrary<Name[]> =>
  fc.subarray(Object.keys(table) as Name[], { minLength: 1 });

describe("a list", () => {
  test("has the order of the table and each name once, for every input order", () => {
    fc.assert(
      fc.property(someOf(POLICIES), fc.infiniteStream(fc.nat()), fc.boolean(), (policies, random, twice) => {
        const typed = [...policies, ...(twice ? policies : [])].sort(() => (Number(random.next().value) % 3) - 1);
        expect(listOf("policy", POLICIES)(typed.join(", "))).toEqual(policies);
      }),
    );
  });

  test("with an unknown name is rejected; the error lists the known names", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        fc.pre(!name.includes(",") && !Object.keys(SERIES).includes(name.trim()));
        expect(() => listOf("series", SERIES)(`v8,${name}`)).toThrow(InvalidArgumentError);
      }),
      { examples: [["toString"], ["__proto__"], [""]] },
    );
    expect(() => listOf("series", SERIES)("v10")).toThrow("'v10'; expected v3, v4, v5, v6, v7, v8, v9, next");
  });
});

describe("a size", () => {
  test("is a whole number of binary units", () => {
    fc.assert(
      fc.property(fc.nat(4096), fc.constantFrom("MiB", "GiB", "TiB"), (size, unit) => {
        const power = { MiB: 20, GiB: 30, TiB: 40 }[unit];
        expect(readBytes(`${size}${unit}`)).toBe(size * 2 ** power);
      }),
    );
  });

  test.each(["4", "4G", "4GB", "4 GiB", "-4GiB", "0.5GiB", "GiB", "4GiBs", "", "1e3MiB"])("is not '%s'", (text) => {
    expect(() => readBytes(text)).toThrow(InvalidArgumentError);
  });
});

test.each(["", "-1", "1.5", "0x10", "1e3", "ten", " 1", "99999999999999999999"])(
  "'%s' is not a whole number",
  (text) => {
    expect(() => readWhole(text)).toThrow(InvalidArgumentError);
  },
);

describe("ids of plugins", () => {
  test("have the order of the plugins and each id once", () => {
    const { arch, feature } = flagsOf("--arch", "x86-pks, arm64-poe,x86-pks", "--feature", "cred,pgtables");
    expect([arch, feature]).toEqual([
      ["arm64-poe", "x86-pks"],
      ["pgtables", "cred"],
    ]);
  });

  test.each([
    ["--arch", "riscv"],
    ["--arch", "pgtables"],
    ["--feature", "pgtables,x86-pks"],
    ["--feature", ""],
  ])("without a plugin of the kind are rejected: %s %s", (flag, ids) => {
    const refusal = { code: "commander.invalidArgument" };
    expect(() => flagsOf(flag, ids)).toThrow(expect.objectContaining(refusal) as Error);
  });

  test("are by default those of the posted series and of named plugins", () => {
    const mine = { id: "mine", kind: "feature", module: "file:///mine.js" } as const;
    expect(defaultFeatures([...BUNDLED, mine])).toEqual(["pgtables", "mine"]);
  });
});

describe("the jobs of a command line", () => {
  test("are one for each architecture, series and policy, the strongest policy last", () => {
    fc.assert(
      fc.property(
        fc.subarray(idsOf("arch", BUNDLED), { minLength: 1 }),
        someOf(SERIES),
        someOf(POLICIES),
        (arch, series, policy) => {
          const jobs = jobsOf({ ...flagsOf(), arch, series, policy });
          const expected = arch.flatMap((a) => series.flatMap((s) => policy.map((p) => [a, s, p])));
          expect(jobs.map((job) => [job.spec.arch, job.series, job.policy])).toEqual(expected);
        },
      ),
    );
  });

  test("have no feature for policy off, and batching only for batched and if the series has it", () => {
    const batching = (series: string): unknown[] =>
      jobsOf(flagsOf("--arch", "x86-pks", "--series", series)).map(({ spec }) => [
        spec.features,
        spec.options["pgtables"]?.["batching"],
      ]);
    expect(batching("next")).toEqual([
      [[], undefined],
      [["pgtables"], false],
      [["pgtables"], true],
    ]);
    expect(batching("v3").at(-1)).toEqual([["pgtables"], false]);
  });

  test("do not switch the key register in policy off, and have the same mappings", () => {
    const [off, naive] = jobsOf(flagsOf("--arch", "x86-pks", "--series", "v6"));
    expect(off!.spec.kernel).toEqual({ linearMap: "block", irqStacks: "vmap" });
    expect(naive!.spec.kernel).toMatchObject({ linearMap: "block", exceptionEntry: "reset" });
  });

  test("have every flag in the specification of the machine", () => {
    const flags = ["--memory", "8GiB", "--cpus", "3", "--no-pkeys", "--series", "v7", "--policy", "naive"];
    expect(jobsOf(flagsOf("--arch", "arm64-poe", ...flags))).toEqual([
      {
        series: "v7",
        policy: "naive",
        plugins: BUNDLED.filter(({ id }) => ["arm64-poe", "pgtables"].includes(id)),
        checks: [],
        spec: {
          arch: "arm64-poe",
          features: ["pgtables"],
          options: {
            "arm64-poe": { skipEqualWrites: false, pkeys: false },
            pgtables: { ...SERIES.v7.options["pgtables"], batching: false },
          },
          kernel: SERIES.v7.kernel,
          kunit: {},
          memory: [{ bytes: 8 * 2 ** 30 }],
          cpus: 3,
          boot: { rodata: "on" },
          strict: false,
          seed: 1,
        },
      },
    ]);
  });

  test("are plain data that can be sent to a worker", () => {
    for (const job of jobsOf(flagsOf("--series", Object.keys(SERIES).join(",")))) {
      expect(JSON.parse(JSON.stringify(job))).toEqual(job);
      expect(structuredClone(job)).toEqual(job);
    }
  });
});

describe("the end of a replay", () => {
  const untilOf = (text: string): unknown =>
    withReplayFlags(new Command("test"))
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .parse(["--until", text], { from: "user" })
      .opts()["until"];

  test("is a number of events or seconds", () => {
    expect([untilOf("12"), untilOf("2.5s")]).toEqual([{ events: 12 }, { seconds: 2.5 }]);
  });

  test.each(["0", "-1", "1e9", "s", "9".repeat(16), "9".repeat(400), `${"9".repeat(17)}s`, `${"9".repeat(400)}s`])(
    "is not an invalid or too large number: %s",
    (text) => {
      expect(() => untilOf(text)).toThrow(expect.objectContaining({ code: "commander.invalidArgument" }) as Error);
    },
  );
});
