import { lazily } from "@kpkeys/core";
import { KernelMemory, toPhysAddr } from "@kpkeys/core/contracts";
import type { DependencyContainer, PhysAddr } from "@kpkeys/core/contracts";
import { SECRETS } from "./layout.js";

/** 32-bit words of the keys of a thread. */
const WORDS = SECRETS.size / 4;

/**
 * The registers of each CPU that hold the keys of its task, APIAKeyLo_EL1 to APGAKeyHi_EL1, outside memory. x86 has no such registers:
 * there they are a model of any per-thread secret that only the context switch reads.
 */
export class SecretRegisters {
  private readonly memory: () => KernelMemory;
  private readonly byCpu: Int32Array[] = [];

  /** @param container - the machine's container */
  constructor(container: DependencyContainer) {
    this.memory = lazily(container, KernelMemory);
  }

  /** The registers of a CPU, 0 before the first load. @param cpu - its number */
  of(cpu: number): Int32Array {
    return (this.byCpu[cpu] ??= new Int32Array(WORDS));
  }

  /**
   * `ptrauth_keys_install_user()` and `__ptrauth_keys_install_kernel`: loads a slot with the rights of the moment.
   * @param cpu - number of the CPU that loads it
   * @param slot - physical address of the slot
   * @param doing - the kernel function, for the oops
   */
  load(cpu: number, slot: PhysAddr, doing: string): void {
    const registers = this.of(cpu);
    const memory = this.memory();
    for (let word = 0; word < WORDS; word += 2) {
      memory.load(toPhysAddr(slot + word * 4), doing);
      registers[word] = memory.valueLow;
      registers[word + 1] = memory.valueHigh;
    }
  }
}
