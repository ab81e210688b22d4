import {
  addressText,
  checkKeyBudget,
  createContainer,
  hex,
  keyBudget,
  KpkeysError,
  once,
  provide,
  Random,
  registerFramework,
  resolve,
} from "@kpkeys/core";
import type { PluginRegistry } from "@kpkeys/core";
import {
  BootParameters,
  ExtensionPoints,
  KernelConfig,
  KernelRandom,
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
import { mebibytes, TooSmall } from "./errors.js";
import { IMAGE_BYTES } from "../boot/image.js";
import { DEFAULT_MAX_ORDER } from "../mm/buddy.js";
import type { BankSpec, MachineSpec } from "./spec.js";

/** The banks in page frames. By default the first bank starts at the architecture's `ramBase`. */
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
  return createPhysicalMemory(banks, geometry);
}

/** RAM must start at a multiple of the buddy allocator's largest block. */
function requireAlignment({ firstPfn }: MemoryBank, pageBytes: number, maxOrder: number): void {
  const blockBytes = 2 ** maxOrder * pageBytes;
  if ((firstPfn * pageBytes) % blockBytes === 0) return;
  throw new KpkeysError("ERR_SPEC", `RAM starts at ${hex(firstPfn * pageBytes)}`, {
    where: "memory bank 0",
    expected: `a multiple of ${mebibytes(blockBytes)}, the largest block with pages of ${pageBytes} bytes`,
  });
}

/** The kernel image needs a run of pages near the start of RAM without a hole. */
function requireImage(banks: readonly MemoryBank[], pageBytes: number, needed: number): void {
  let pages = 0;
  for (const bank of banks) {
    if (bank.firstPfn !== banks[0]!.firstPfn + pages) break;
    pages += bank.pages;
  }
  if (pages * pageBytes >= needed) return;
  if (banks.length === 1)
    throw new TooSmall(
      `the kernel image needs ${mebibytes(needed)} from the start of RAM, the machine has ${mebibytes(pages * pageBytes)}`,
    );
  throw new KpkeysError("ERR_SPEC", `RAM ends or has a hole after ${mebibytes(pages * pageBytes)}`, {
    where: "memory bank 0",
    expected: `at least ${mebibytes(needed)} for the kernel image`,
  });
}

/** The linear map must end below the next area of the kernel's half. */
function requireLinearMap(banks: readonly MemoryBank[], pageBytes: number, layout: KernelLayout): void {
  const { firstPfn, pages } = banks.at(-1)!;
  const bytes = (firstPfn + pages - banks[0]!.firstPfn) * pageBytes;
  const { linearMap, image, vmallocStart, modulesStart = image, vmemmap, fixmap } = layout;
  const above = [image, vmallocStart, modulesStart, vmemmap, fixmap].filter((address) => address > linearMap);
  const room = Number(above.reduce((least, address) => (address < least ? address : least)) - linearMap);
  if (bytes <= room) return;
  throw new KpkeysError("ERR_SPEC", `RAM ends ${mebibytes(bytes)} after its start`, {
    where: `memory bank ${banks.length - 1}`,
    expected: `at most ${mebibytes(room)}, the size of the linear map`,
  });
}

/** The observer of a strict machine: the first access with an unsynchronised key register throws. */
const STRICT: Observer = {
  unsynchronisedAccess(cpu, high, low) {
    throw new KpkeysError("ERR_UNSYNCHRONISED", "an access depends on an unsynchronised key-register write", {
      where: `address ${addressText(high, low)}, CPU ${cpu}`,
      expected: "a context synchronisation event (ISB) after the write",
    });
  },
};

/** `kpkeys=off`: the kernel clears the CPU feature before it is used. */
function withoutPkeys(options: MachineSpec["options"], arch: string): MachineSpec["options"] {
  return { ...options, [arch]: { ...options[arch], pkeys: false } };
}

/** Option `tlb` without a seed gets the seed of the machine. The default TLB needs no seed. */
function withSeed({ arch, options, seed }: MachineSpec): MachineSpec["options"] {
  const tlb = options[arch]?.["tlb"];
  if (typeof tlb !== "object" || tlb === null || Array.isArray(tlb)) return options;
  return { ...options, [arch]: { ...options[arch], tlb: { seed, ...tlb } } };
}

/**
 * Sets up the plugins of a machine in a new container, checks the key budget and freezes the framework.
 * @param spec - the specification
 * @param registry - the available plugins
 * @returns the container; extension points accept no handlers any more
 * @throws KpkeysError ERR_SPEC for impossible RAM, and the errors of plugin setup
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
  provide(container, KernelRandom, new Random(spec.seed));
  const lines = configLinesOf(spec, registry);
  const seeded = withSeed(spec);
  const options = kpkeys === "off" ? withoutPkeys(seeded, spec.arch) : seeded;
  const { plugins } = registry.setUp(container, spec.arch, spec.features, options, lines);
  provide(container, KernelConfig, kernelConfigOf(plugins, lines));
  provide(container, KunitOptions, spec.kunit ?? {});
  checkKeyBudget(keyBudget(resolve(container, Kpkeys), resolve(container, PkeyRegister)));
  resolve(container, Kpkeys).freeze();
  resolve(container, ExtensionPoints).freeze();
  resolve(container, ProtectedObjects).freeze();
  return container;
}
