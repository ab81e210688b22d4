import { countResults, attack, formatKtap, runSuites } from "@kpkeys/kunit-suite";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened, machine } from "./machines.js";

describe.each(ARCHES)("on %s", (arch) => {
  it("the KUnit suite passes on a hardened machine, per setter and batched", () => {
    for (const batching of [false, true]) {
      expect(countResults(runSuites(hardened(arch, { batching })))).toEqual({ passed: 5, failed: 0, skipped: 0 });
    }
  });

  it("skips with the kernel's words on a CPU without kernel pkeys", () => {
    const results = runSuites(hardened(arch, {}, { options: { [arch]: { pkeys: false } } }));
    expect(countResults(results)).toEqual({ passed: 0, failed: 0, skipped: 5 });
    expect(formatKtap(results)).toContain("ok 5 write_user_pmd # SKIP kpkeys are not supported");
  });

  it("leaves the machine as it was: a second run gives the same", () => {
    const booted = hardened(arch);
    const first = formatKtap(runSuites(booted));
    expect(formatKtap(runSuites(booted))).toBe(first);
  });

  it("every attack on a hardened machine is blocked, and each of the same ones goes through without the hardening", () => {
    const [open, closed] = [machine(arch), hardened(arch)].map((booted) => attack(booted, booted.scan()));
    expect(closed!.blocked).toBe(closed!.tried);
    expect(closed!.gaps).toEqual([]);
    expect(open!.tried).toBe(closed!.tried);
    expect(open!.blocked).toBe(0);
    expect(open!.gaps.reduce((sum, { stores }) => sum + stores, 0)).toBe(open!.tried);
  });

  it("attacks go through the image's alias alone when the series keys only the linear one", () => {
    const booted = hardened(arch, { staticAliases: "linear" });
    const { tried, blocked, gaps } = attack(booted, booted.scan());
    expect(blocked).toBeLessThan(tried);
    expect(new Set(gaps.map(({ source, mapping }) => `${source} ${mapping}`))).toEqual(new Set(["static other"]));
  });

  it("attacks change nothing, even where they go through", () => {
    const booted = machine(arch);
    const before = booted.scan();
    attack(booted, before);
    expect(booted.scan()).toEqual(before);
  });
});
