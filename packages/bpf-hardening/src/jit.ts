import { token } from "@kpkeys/core/contracts";
import type { Errno, Token, Words } from "@kpkeys/core/contracts";

/** A program that is loaded: its place in memory. */
export interface BpfImage {
  /** Address of the first instruction, through the mapping that the CPU executes: a multiple of 8. */
  readonly address: Words;
  /** Bytes of instructions: the length of the program. */
  readonly length: number;
  /** Bytes that the image occupies, with its header and traps: a multiple of 64. The header starts 8 bytes before {@link address}. */
  readonly size: number;
}

/** The JIT compiler's memory: it loads, changes and removes images of BPF programs. */
export interface BpfJit {
  /** The loaded images, in the order of loading. */
  readonly images: Iterable<BpfImage>;
  /**
   * Loads a program: `bpf_jit_binary_pack_alloc` and `bpf_jit_binary_pack_finalize` (kernel/bpf/core.c).
   * @param program - its instructions
   * @returns the image; -ENOMEM without memory or addresses; -EFAULT if the JIT cannot write its memory
   */
  load(program: Uint8Array): BpfImage | Errno;
  /**
   * Removes a program and fills its memory with traps: `bpf_jit_binary_pack_free`. The last program of a pack frees its pages.
   * @param image - a loaded image
   * @returns 0; -ENOMEM without memory for a temporary alias, or -EFAULT if the JIT cannot write its memory: the program stays loaded,
   *   because free memory with its code would still be executable
   * @throws KpkeysError ERR_API_MISUSE for an image that is not loaded
   */
  unload(image: BpfImage): 0 | Errno;
  /**
   * Replaces 8 bytes of a program, for example a call that attaches a trampoline: `bpf_arch_text_poke`.
   * @param image - a loaded image
   * @param offset - bytes from its first instruction, a multiple of 8
   * @param from - the present 8 bytes
   * @param to - the new ones
   * @returns 0; -EINVAL for a place that is not in the image; -EBUSY if other bytes are there; an errno of {@link load}
   * @throws KpkeysError ERR_API_MISUSE for an image that is not loaded
   */
  patch(image: BpfImage, offset: number, from: Words, to: Words): 0 | Errno;
  /**
   * Executes a program, as far as the model does: the CPU fetches each of its 64-byte lines.
   * @param image - a loaded image
   * @returns 0; -EFAULT if a fetch faults
   * @throws KpkeysError ERR_API_MISUSE for an image that is not loaded
   */
  run(image: BpfImage): 0 | Errno;
}

/** Token of {@link BpfJit}. */
export const BpfJit: Token<BpfJit> = token("BpfJit");
