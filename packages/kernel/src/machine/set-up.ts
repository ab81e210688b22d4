import {
  addressText,
  checkKeyBudget,
  createContainer,
  hex,
  keyBudget,
  KpkeysError,
  once,
  provide,
  registerFramework,
  resolve,
} from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import {
  BootParameters,
  ExtensionPoints,
  KernelConfig,
  Kpkeys,
  KunitOptions,
  Observers,
  PageTableFormat,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
  ProtectedObjects,
  toPfn,
} from "@kpkeys/core/contracts";
import type { DependencyContainer, KernelLayout, MemoryBank, Observer, PhysAddr } from "@kpkeys/core/contracts";
import { createPhysicalMemory } from "@kpkeys/core/machine";
import { configLinesOf, kernelConfigOf } from "./config.js";
import { IMAGE_BYTES } from "../boot/image.js";
import { DEFAULT_MAX_ORDER } from "../mm/buddy.js";
import type { BankSpec, MachineSpec } from "./spec.js";

/** The banks as page frames; the first starts where the architecture has its RAM unless the specification says where. */
function banksOf(memory: readonly BankSpec[], ramBase: PhysAddr, pageShift: number): readonly MemoryBank[] {
  const pageBytes = 2 ** pageShift;
  let end: number = ramBase;
  return memory.map(({ start = end, bytes }) => {
    end = start + bytes;
    return { firstPfn: toPfn(start / pageBytes), pages: bytes / pageBytes };
  });
}

function createRam(
  { memory }: MachineSpec,
  { layout, maxPageOrder }: PgtableArch,
  { geometry }: PageTableFormat,
): PhysicalMemory {
  const { pageShift } = geometry;
  const banks = banksOf(memory, layout.ramBase, pageShift);
  requireAlignment(banks[0]!, 2 ** pageShift, maxPageOrder ?? DEFAULT_MAX_ORDER);
  requireImage(banks, 2 ** pageShift, layout.imageOffset + IMAGE_BYTES);
  requireLinearMap(banks, 2 ** pageShift, layout);
  return createPhysicalMemory(banks, { pageShift });
}

/** Blocks of the buddy allocator are aligned to their size from the start of RAM on. */
function requireAlignment({ firstPfn }: MemoryBank, pageBytes: number, maxOrder: number): void {
  const blockBytes = 2 ** maxOrder * pageBytes;
  if ((firstPfn * pageBytes) % blockBytes === 0) return;
  throw new KpkeysError("ERR_SPEC", `RAM starts at ${hex(firstPfn * pageBytes)}`, {
    where: "memory bank 0",
    expected: `a multiple of ${mebibytes(blockBytes)} with pages of ${pageBytes} bytes`,
  });
}

/** The kernel image is a run of pages near the start of RAM, and has no hole. */
function requireImage(banks: readonly MemoryBank[], pageBytes: number, needed: number): void {
  let pages = 0;
  for (const bank of banks) {
    if (bank.firstPfn !== banks[0]!.firstPfn + pages) break;
    pages += bank.pages;
  }
  if (pages * pageBytes >= needed) return;
  throw new KpkeysError("ERR_SPEC", `${mebibytes(pages * pageBytes)} of RAM before its end or a hole`, {
    where: "memory bank 0",
    expected: `at least ${mebibytes(needed)}, which the kernel image needs`,
  });
}

/** The linear map ends where the next area of the kernel's half begins. */
function requireLinearMap(banks: readonly MemoryBank[], pageBytes: number, layout: KernelLayout): void {
  const { firstPfn, pages } = banks.at(-1)!;
  const bytes = (firstPfn + pages - banks[0]!.firstPfn) * pageBytes;
  const { linearMap, image, vmallocStart, vmemmap, fixmap } = layout;
  const above = [image, vmallocStart, vmemmap, fixmap].filter((address) => address > linearMap);
  const room = Number(above.reduce((least, address) => (address < least ? address : least)) - linearMap);
  if (bytes <= room) return;
  throw new KpkeysError("ERR_SPEC", `RAM ends ${mebibytes(bytes)} after its start`, {
    where: `memory bank ${banks.length - 1}`,
    expected: `at most ${mebibytes(room)}, which the linear map has room for`,
  });
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** What makes a machine strict: the first access of an unsynchronised key register ends the run. */
const STRICT: Observer = {
  unsynchronisedAccess(cpu, high, low) {
    throw new KpkeysError("ERR_UNSYNCHRONISED", "an access depends on a key-register write that is not synchronised", {
      where: `address ${addressText(high, low)}, CPU ${cpu}`,
      expected: "a context synchronisation event (ISB) after the write",
    });
  },
};

/** `kpkeys=off`: the kernel clears the CPU's feature before anything looks at it. */
function withoutPkeys(options: MachineSpec["options"], arch: string): MachineSpec["options"] {
  return { ...options, [arch]: { ...options[arch], pkeys: false } };
}

/** A TLB that is described without a seed gets the machine's; the default one chooses nothing at random. */
function withSeed({ arch, options, seed }: MachineSpec): MachineSpec["options"] {
  const tlb = options[arch]?.["tlb"];
  if (typeof tlb !== "object" || tlb === null || Array.isArray(tlb)) return options;
  return { ...options, [arch]: { ...options[arch], tlb: { seed, ...tlb } } };
}

/**
 * Sets the plugins up in a container of the machine's own, up to where the key register's values are known.
 * @param spec - which plugins, with which options
 * @param registry - has them
 * @returns the container, to which nothing can be attached any more
 * @throws KpkeysError what setting up plugins throws
 */
export function setUpPlugins(spec: MachineSpec, registry: PluginRegistry): DependencyContainer {
  const container = createContainer();
  registerFramework(container);
  if (spec.strict) resolve(container, Observers).attach(STRICT);
  container.register(PhysicalMemory, {
    useFactory: once(() => createRam(spec, resolve(container, PgtableArch), resolve(container, PageTableFormat))),
  });
  const { rodata, kpkeys = "enforced" } = spec.boot;
  provide(container, BootParameters, { rodata, kpkeys });
  const lines = configLinesOf(spec, registry);
  const seeded = withSeed(spec);
  const options = kpkeys === "off" ? withoutPkeys(seeded, spec.arch) : seeded;
  const { plugins, keyOwners } = registry.setUp(container, spec.arch, spec.features, options, lines);
  provide(container, KernelConfig, kernelConfigOf(plugins, lines));
  provide(container, KunitOptions, spec.kunit ?? {});
  checkKeyBudget(keyBudget(resolve(container, Kpkeys), resolve(container, PkeyRegister), keyOwners));
  resolve(container, Kpkeys).freeze();
  resolve(container, ExtensionPoints).freeze();
  resolve(container, ProtectedObjects).freeze();
  return container;
}
