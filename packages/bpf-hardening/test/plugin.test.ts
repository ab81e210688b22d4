import { resolve } from "@kpkeys/core";
import { ExtensionPoints, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { codeOf } from "../../core/test/code-of.js";
import { setUpFeature } from "../../core/test/framework/tiny-machine.js";
import { bpfHardening, hardenedBpf } from "../src/index.js";

describe("the feature", () => {
  it("gives write rights in BPF_JIT only, and in no allocator's context", () => {
    const kpkeys = resolve(setUpFeature(bpfHardening), Kpkeys);
    kpkeys.defineContext("UNRESTRICTED", {});
    const rights = kpkeys.contextNames.map((context) => [context, kpkeys.rights(context, "BPF")]);
    expect(Object.fromEntries(rights)).toEqual({ DEFAULT: "rx", BPF_JIT: "rwx", UNRESTRICTED: "rx" });
  });

  it("attaches its suite, and claims no image before one is loaded", () => {
    const container = setUpFeature(bpfHardening);
    expect(resolve(container, ExtensionPoints).suites).toEqual([hardenedBpf]);
    const [claim] = resolve(container, ProtectedObjects).claims;
    expect([claim!.feature, [...claim!.objects!()], claim!.tablePkey]).toEqual(["bpf", [], undefined]);
  });

  it("rejects any option", () => {
    expect(codeOf(() => setUpFeature(bpfHardening, { packs: 1 }))).toBe("ERR_SPEC");
  });

  it("depends on an architecture with kpkeys", () => {
    expect(codeOf(() => setUpFeature(bpfHardening, {}, { selects: [] }))).toBe("ERR_CONFIG_DEPENDS");
  });
});
