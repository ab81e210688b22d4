import { KpkeysError, lazily, provideClass, resolve } from "@kpkeys/core";
import { ExtensionPoints, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { loadBootPrograms } from "./boot-programs.js";
import { exerciseJit } from "./exercise.js";
import { BpfJit } from "./jit.js";
import { KernelBpfJit } from "./kernel-jit.js";
import { LoadedImages } from "./loaded-images.js";
import { ProgPacks } from "./prog-packs.js";
import { ProgText } from "./prog-text.js";
import { hardenedBpf } from "./suite.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** Images of BPF programs. */
    BPF: true;
  }
  interface KpkeysContexts {
    /** Images of BPF programs are writable: in the functions of the JIT that write them. */
    BPF_JIT: true;
  }
}

/**
 * The feature: images of BPF programs have the key BPF, which is writable only in the context BPF_JIT. No options.
 *
 * By default the key allows reads and execution. POR_EL1 can express that; IA32_PKRS has no right to execute, and there the page tables
 * alone decide a fetch. BPF_JIT allows execution too: an interrupt may run a program while another one is written. No context and no
 * allocator needs more: UNRESTRICTED has the default rights.
 */
export const bpfHardening: Plugin = {
  id: "bpf",
  kind: "feature",
  description: "images of BPF programs writable only by the JIT's own functions (CONFIG_KPKEYS_HARDENED_BPF_JIT)",
  contract: 2,
  config: [
    { symbol: "KPKEYS_HARDENED_BPF_JIT", dependsOn: ["ARCH_HAS_KPKEYS"] },
    {
      symbol: "KPKEYS_HARDENED_BPF_JIT_KUNIT_TEST",
      dependsOn: ["KPKEYS_HARDENED_BPF_JIT", "KUNIT"],
      default: "KUNIT_ALL_TESTS",
    },
  ],
  setup(container, options) {
    for (const name of Object.keys(options)) {
      throw new KpkeysError("ERR_SPEC", `unknown option '${name}'`, {
        where: "options of bpf",
        expected: "no options",
      });
    }
    const points = resolve(container, ExtensionPoints);
    const kpkeys = resolve(container, Kpkeys);
    kpkeys.registerPkey("BPF", { default: "rx", unrestricted: "rx" });
    kpkeys.defineContext("BPF_JIT", { BPF: "rwx" });

    provideClass(container, ProgText, ProgText);
    provideClass(container, ProgPacks, ProgPacks);
    provideClass(container, LoadedImages, LoadedImages);
    provideClass(container, BpfJit, KernelBpfJit);
    const jit = lazily(container, BpfJit);
    points.on("initPhase", (phase) => {
      if (phase === "freeze") loadBootPrograms(jit());
    });
    points.addSuite(hardenedBpf);
    resolve(container, ProtectedObjects).declare({
      feature: "bpf",
      objects: () => container.resolve(LoadedImages).objects(),
    });
  },
  exercise: exerciseJit,
};
