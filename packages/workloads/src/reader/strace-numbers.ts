/** What strace prints in place of numbers, of the calls that matter (include/uapi/asm-generic/mman*.h, linux/sched.h, linux/mman.h). */
const NUMBERS: Readonly<Record<string, number>> = {
  NULL: 0,
  PROT_NONE: 0,
  PROT_READ: 1,
  PROT_WRITE: 2,
  PROT_EXEC: 4,
  MAP_SHARED: 0x1,
  MAP_PRIVATE: 0x2,
  MAP_SHARED_VALIDATE: 0x3,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_GROWSDOWN: 0x100,
  MAP_DENYWRITE: 0x800,
  MAP_LOCKED: 0x2000,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  MAP_NONBLOCK: 0x10000,
  MAP_STACK: 0x20000,
  MAP_HUGETLB: 0x40000,
  MAP_FIXED_NOREPLACE: 0x100000,
  MREMAP_MAYMOVE: 1,
  MREMAP_FIXED: 2,
  MREMAP_DONTUNMAP: 4,
  MADV_NORMAL: 0,
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_WILLNEED: 3,
  MADV_DONTNEED: 4,
  MADV_FREE: 8,
  MADV_REMOVE: 9,
  MADV_DONTFORK: 10,
  MADV_DOFORK: 11,
  MADV_MERGEABLE: 12,
  MADV_UNMERGEABLE: 13,
  MADV_HUGEPAGE: 14,
  MADV_NOHUGEPAGE: 15,
  MADV_DONTDUMP: 16,
  MADV_DODUMP: 17,
  MADV_WIPEONFORK: 18,
  MADV_KEEPONFORK: 19,
  MADV_COLD: 20,
  MADV_PAGEOUT: 21,
  MADV_POPULATE_READ: 22,
  MADV_POPULATE_WRITE: 23,
  MADV_DONTNEED_LOCKED: 24,
  MADV_COLLAPSE: 25,
  CLONE_VM: 0x100,
  CLONE_VFORK: 0x4000,
  CLONE_THREAD: 0x10000,
  EINVAL: 22,
  ENOMEM: 12,
};

/** The part of strace's `0x800 /* MAP_??? *\/` that is no number. */
const COMMENT = /\/\*.*?\*\//g;

/**
 * Reads an argument as strace prints it: a number, or names joined by `|`.
 * @param text - the argument
 * @returns 64 bits; names that do not matter here are nothing
 */
export function straceNumber(text: string): bigint {
  let value = 0n;
  for (const part of text.replace(COMMENT, "").split("|")) {
    const word = part.trim();
    if (/^-?(?:0x[0-9a-f]{1,16}|\d{1,19})$/.test(word)) value |= signed(word);
    else if (Object.hasOwn(NUMBERS, word)) value |= BigInt(NUMBERS[word]!);
  }
  return BigInt.asIntN(64, value);
}

function signed(word: string): bigint {
  return word.startsWith("-") ? -BigInt(word.slice(1)) : BigInt(word);
}
