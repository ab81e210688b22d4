import { lazily, registerArch } from "@kpkeys/core";
import { Cpus } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { createCpu, FrameKeyStore, MaskingKpkeysArch, readArchOptions } from "@kpkeys/core/machine";
import { FORMAT } from "./format.js";
import { PGTABLE } from "./pgtable.js";
import { createRegime } from "./regime.js";
import { SKR, systemRegisters } from "./registers.js";
import { TOOLS } from "./tools.js";

const ID = "frame-keys";

// #region plugin
/** An architecture that does not exist and keeps the key of a page with its frame, as s390 does. */
export const frameKeys: Plugin = {
  id: ID,
  kind: "arch",
  description: "an architecture that does not exist: SKR, keys of physical frames",
  contract: 2,
  config: [{ symbol: "FRAME_KEYS", selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] }],
  setup(container, options) {
    const width = { standard: 48, least: 48, most: 48 };
    const { pkeys, skipEqualWrites, tlb } = readArchOptions(ID, options, width);
    // One store for the whole machine: the kernel sets keys in it, and each CPU reads them when it fills a TLB entry.
    const store = new FrameKeyStore(lazily(container, Cpus));
    registerArch(container, {
      pkeyRegister: SKR,
      pageTableFormat: FORMAT,
      frameKeys: store,
      pgtable: PGTABLE,
      tools: TOOLS,
      createKpkeysArch: (cpus) => new MaskingKpkeysArch(cpus, { register: SKR, pkeys, skipEqualWrites }),
      createCpu: (place) =>
        createCpu({
          ...place,
          regime: createRegime(pkeys ? store : undefined),
          systemRegisters: systemRegisters({}),
          tlb,
        }),
    });
  },
};
// #endregion plugin
