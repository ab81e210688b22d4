import { ObserverList } from "../../src/observers.js";
import { ContextSwitch } from "../../src/framework/context-switch.js";
import { KpkeysApi } from "../../src/framework/kpkeys.js";
import { PluginInSetUp } from "../../src/framework/plugin-in-set-up.js";
import type { CompiledContext, KpkeysArch, PkeyRegister, Rights } from "../../src/contracts/index.js";

/** A register with one field for each key: the bits of a field that allow read, execute and write. */
interface FieldLayout {
  readonly name: string;
  readonly keys: number;
  readonly bits: number;
  readonly encode: (rights: Rights) => number;
  readonly decode: (field: number) => ReturnType<PkeyRegister["rightsOf"]>;
}

const GRANTS = { none: 0, r: 1, x: 2, rx: 3, w: 4, rw: 5, wx: 6, rwx: 7 } as const;
const GRANT_NAMES = ["none", "r", "x", "rx", "w", "rw", "wx", "rwx"] as const;

/** Fields of 4 bits that grant: R, X, W from bit 0 up (POR_EL1). */
export const GRANTING: PkeyRegister = layOut({
  name: "GRANTING",
  keys: 8,
  bits: 4,
  encode: (rights) => GRANTS[rights],
  decode: (field) => GRANT_NAMES[field & 7]!,
});

/** Fields of 2 bits that withhold: access-disable, write-disable; fetches ignore keys (IA32_PKRS). */
export const WITHHOLDING: PkeyRegister = layOut({
  name: "WITHHOLDING",
  keys: 16,
  bits: 2,
  encode: (rights) => (rights === "none" ? 1 : rights.includes("w") ? 0 : 2),
  decode: (field) => ((field & 1) !== 0 ? "x" : field === 2 ? "rx" : "rwx"),
});

function layOut({ name, keys, bits, encode, decode }: FieldLayout): PkeyRegister {
  const mask = 2 ** bits - 1;
  return {
    name,
    keys,
    synchronisation: "immediate",
    unused: "none",
    fieldMask: (key) => ({ high: 0, low: (mask << (key * bits)) | 0 }),
    field: (key, rights) => ({ high: 0, low: (encode(rights) << (key * bits)) | 0 }),
    rightsOf: (_high, low, key) => decode((low >>> (key * bits)) & mask),
  };
}

/** An architecture with one plain register, which tests read and set. */
export interface TinyArch extends KpkeysArch {
  /** Bits 31 to 0 of the register. The high word is their complement, so that a test sees that both are restored. */
  value: number;
  /** The result of supportsKpkeys. */
  supported: boolean;
  /** The counters. */
  readonly counters: { registerWrites: number; barriers: number };
  /** Whether a write that does not change the value is skipped. */
  skipEqual: boolean;
}

/** Makes the architecture with key numbers as the kernel's asm-generic header has them. */
export function createTinyArch(pkeyNumbers: Readonly<Record<string, number>> = { PGTABLES: 1, CRED: 2 }): TinyArch {
  const arch: TinyArch = {
    value: 0,
    supported: true,
    skipEqual: false,
    pkeyNumbers,
    counters: { registerWrites: 0, barriers: 0 },
    supportsKpkeys: () => arch.supported,
    supportsKpkeysEarly: () => arch.supported,
    enterContext(context: CompiledContext, saved, slot) {
      const next = (arch.value & ~context.clear.low) | context.set.low;
      if (arch.skipEqual && next === arch.value) return false;
      saved[2 * slot] = ~arch.value;
      saved[2 * slot + 1] = arch.value;
      arch.value = next;
      arch.counters.registerWrites++;
      arch.counters.barriers++;
      return true;
    },
    leaveContext(saved, slot, barrierFollows) {
      if (saved[2 * slot] !== ~saved[2 * slot + 1]!) throw new Error("the saved words are not a pair");
      arch.value = saved[2 * slot + 1]!;
      arch.counters.registerWrites++;
      if (!barrierFollows) arch.counters.barriers++;
    },
  };
  return arch;
}

/**
 * The kpkeys API of an architecture, without a container.
 * @param arch - the architecture's part
 * @param register - its register
 * @param plugin - owns the keys and contexts; no plugin if left out
 */
export function createKpkeys(arch: KpkeysArch, register: PkeyRegister, plugin = new PluginInSetUp()): KpkeysApi {
  return new KpkeysApi(
    arch,
    register,
    new ContextSwitch(arch, new ObserverList(), () => {
      throw new Error("there are no CPUs");
    }),
    plugin,
  );
}
