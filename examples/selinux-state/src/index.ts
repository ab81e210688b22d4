/**
 * `selinux_state.enforcing`: a flag that disables the whole policy if it is overwritten. The feature moves it to a separate page
 * with the key SELINUX_STATE, which only one function can write.
 *
 * @packageDocumentation
 */
import { KpkeysError, lazily, provide, resolve } from "@kpkeys/core";
import {
  Cpus,
  Errno,
  Exceptions,
  ExtensionPoints,
  Kpkeys,
  LinearMap,
  OK,
  PageAllocator,
  ProtectedObjects,
  SetMemory,
  token,
} from "@kpkeys/core/contracts";
import type { KunitSuite, Pfn, Plugin, Token, Words } from "@kpkeys/core/contracts";

// #region names
declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** The page of `selinux_state`. */
    SELINUX_STATE: true;
  }
  interface KpkeysContexts {
    /** `selinux_state` is writable. */
    SELINUX_STATE: true;
  }
}
// #endregion names

// #region contract
/** `selinux_state`, as the rest of the kernel uses it. */
export interface SelinuxState {
  /** Linear address of the flag. */
  address(): Words;
  /** Whether the policy is enforced: `enforcing_enabled()`. */
  enforcing(): boolean;
  /** `enforcing_set()`. @param value - whether to enforce @returns 0, or -EFAULT if the write faults */
  setEnforcing(value: boolean): 0 | Errno;
}

/** Token of {@link SelinuxState}. */
export const SelinuxState: Token<SelinuxState> = token("SelinuxState");
// #endregion contract

// #region plugin
/** The feature: allocates a page for `selinux_state`, sets its key, and opens the key only in `setEnforcing`. */
export const selinuxState: Plugin = {
  id: "selinux-state",
  kind: "feature",
  description: "only the setter can write selinux_state (CONFIG_KPKEYS_SELINUX_STATE)",
  contract: 2,
  config: [{ symbol: "KPKEYS_SELINUX_STATE", dependsOn: ["ARCH_HAS_KPKEYS"] }],
  setup(container, options) {
    const unknown = Object.keys(options).at(0);
    if (unknown !== undefined) {
      throw new KpkeysError("ERR_SPEC", `unknown option '${unknown}'`, {
        where: "plugin 'selinux-state'",
        expected: "no options",
      });
    }
    const kpkeys = resolve(container, Kpkeys);
    const points = resolve(container, ExtensionPoints);
    const cpus = lazily(container, Cpus);
    const linearMap = lazily(container, LinearMap);
    const pkey = kpkeys.registerPkey("SELINUX_STATE");
    kpkeys.defineContext("SELINUX_STATE", { SELINUX_STATE: "rw" });
    const guard = kpkeys.guard("SELINUX_STATE");
    let pfn: Pfn | undefined;

    const state: SelinuxState = {
      address() {
        if (pfn === undefined) {
          throw new KpkeysError("ERR_INIT_ORDER", "selinux_state has no page yet", {
            where: "plugin 'selinux-state'",
            expected: "a call after the phase system_features",
          });
        }
        return linearMap().address(pfn);
      },
      enforcing() {
        const { high, low } = state.address();
        const cpu = cpus().current;
        return cpu.load64(high, low) === OK && cpu.valueLow !== 0;
      },
      setEnforcing(value) {
        const { high, low } = state.address();
        const entered = guard.enter();
        const status = cpus().current.store64(high, low, 0, Number(value));
        guard.exit(entered);
        return status === OK ? 0 : Errno.EFAULT;
      },
    };
    provide(container, SelinuxState, state);

    // From this phase on a block of the linear map can be split, so that one page of it can have a separate key.
    points.on("initPhase", (phase) => {
      if (phase !== "system_features") return;
      pfn = resolve(container, PageAllocator).alloc(0);
      if (pfn === undefined) {
        throw new KpkeysError("ERR_OUT_OF_MEMORY", "no page for selinux_state", {
          expected: "a machine with more memory",
        });
      }
      const errno = resolve(container, SetMemory).setMemoryPkey(linearMap().pageOf(pfn), 1, pkey);
      if (errno !== 0) {
        throw new KpkeysError("ERR_KERNEL_BUG", `cannot set the key of selinux_state: errno ${errno}`, {
          where: "plugin 'selinux-state'",
          advice: "see the errors of SetMemory.setMemoryPkey",
        });
      }
      state.setEnforcing(true);
    });
    points.addSuite(suite);
    resolve(container, ProtectedObjects).declare({
      feature: "selinux-state",
      objects: () => (pfn === undefined ? [] : [{ pfn, offset: 0, size: 8, pkey, source: "selinux_state" }]),
    });
  },
  exercise(machine) {
    const state = machine.get(SelinuxState);
    state.setEnforcing(false);
    state.setEnforcing(true);
  },
};
// #endregion plugin

// #region suite
const suite: KunitSuite = {
  name: "kpkeys_selinux_state",
  cases: [
    {
      name: "write_enforcing",
      run(test) {
        if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
        const state = test.get(SelinuxState);
        const errno = test.get(Exceptions).copyToKernelNofault(state.address(), new Uint8Array(8));
        test.expectEq(errno, Errno.EFAULT, "Direct write of enforcing wasn't prevented");
        test.expectEq(Number(state.enforcing()), 1, "enforcing is off");
        test.expectEq(state.setEnforcing(false), 0, "The setter could not write");
        test.expectEq(Number(state.enforcing()), 0, "The setter did not write");
        state.setEnforcing(true);
      },
    },
  ],
};
// #endregion suite
