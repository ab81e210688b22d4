import type { Words } from "./pkey-register.js";

declare const brand: unique symbol;

/** A number with a kind: a number of another kind is not assignable to it. */
export type Branded<Kind extends string> = number & {
  /** Never present at run time. */
  readonly [brand]: Kind;
};

/** Page-frame number: a physical address divided by the page size. */
export type Pfn = Branded<"Pfn">;
/** Virtual page number: a 64-bit virtual address divided by the page size; below 2^52. */
export type Vpn = Branded<"Vpn">;
/** Physical address: page-frame number times page size plus offset. Below 2^52, so that a number holds it. */
export type PhysAddr = Branded<"PhysAddr">;
/** Virtual address of 64 bits, where addresses come in and go out. Inside the kernel it is a {@link Vpn} and an offset. */
export type VirtAddr = bigint & {
  /** Never present at run time. */
  readonly [brand]: "VirtAddr";
};
/** Level of a table, 0 being the top. */
export type Level = Branded<"Level">;

/** Number of a memory protection key; 0 is the default one. */
export type Pkey = Branded<"Pkey">;
/** Address-space identifier of TLB entries. */
export type Asid = Branded<"Asid">;

/** Makes a {@link Pfn}. @param n - a page-frame number */
export function toPfn(n: number): Pfn {
  return n as Pfn;
}

/** Makes a {@link Vpn}. @param n - a virtual page number */
export function toVpn(n: number): Vpn {
  return n as Vpn;
}

/** Makes a {@link PhysAddr}. @param n - a physical address */
export function toPhysAddr(n: number): PhysAddr {
  return n as PhysAddr;
}

/** Makes a {@link VirtAddr}. @param n - a virtual address, not negative */
export function toVirtAddr(n: bigint): VirtAddr {
  return n as VirtAddr;
}

/** Makes a {@link Level}. @param n - 0 being the top */
export function toLevel(n: number): Level {
  return n as Level;
}

/** Makes a {@link Pkey}. @param n - the number of a key */
export function toPkey(n: number): Pkey {
  return n as Pkey;
}

/** Makes an {@link Asid}. @param n - an address-space identifier */
export function toAsid(n: number): Asid {
  return n as Asid;
}

/**
 * The order of the bytes of a number in memory: the byte at the lowest address is the least significant one (`little`) or the most
 * significant one (`big`).
 */
export type ByteOrder = "little" | "big";

/** The null pointer, which points to no object. */
export const NULL: PhysAddr = toPhysAddr(0);

/**
 * A physical address in a page frame.
 * @param pfn - the page frame
 * @param pageShift - log2 of the page size in bytes
 * @param offset - bytes from the start of the page, 0 if left out
 */
export function physAddrOf(pfn: Pfn, pageShift: number, offset = 0): PhysAddr {
  return toPhysAddr(pfn * 2 ** pageShift + offset);
}

/**
 * An address in a virtual page, in the words that a {@link Cpu} takes.
 * @param page - the page
 * @param pageShift - log2 of the page size in bytes
 * @param offset - bytes from the start of the page, 0 if left out
 */
export function wordsOf(page: Vpn, pageShift: number, offset = 0): Words {
  return { high: ((page * (1 << pageShift)) / 2 ** 32) | 0, low: (page << pageShift) | offset };
}

/**
 * The virtual page that holds an address.
 * @param address - the address in two words
 * @param pageShift - log2 of the page size in bytes
 */
export function pageOf({ high, low }: Words, pageShift: number): Vpn {
  return toVpn(((high >>> 0) * 2 ** 32) / (1 << pageShift) + (low >>> pageShift));
}
