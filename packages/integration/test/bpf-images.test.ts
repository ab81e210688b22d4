import { BpfJit, hardenedBpf } from "@kpkeys/bpf-hardening";
import type { BpfImage } from "@kpkeys/bpf-hardening";
import { fromWords, toBytes, toWords } from "@kpkeys/core";
import {
  Access,
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  Observers,
  PageAllocator,
  pageOf,
  PageKeys,
  PkeyRegister,
  Privilege,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Pfn, Rights, Words } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import type { Machine, MachineSpec, ScannedObject } from "@kpkeys/kernel";
import { attack, runSuites } from "@kpkeys/kunit-suite";
import { machineOptionsOf, SERIES } from "@kpkeys/scenarios";
import type { SeriesName } from "@kpkeys/scenarios";
import { describe, expect, test } from "vitest";
import { ARCHES, leafOf, machine } from "./machines.js";

const boot = (arch: string, spec: Partial<MachineSpec> = {}): Machine => machine(arch, { features: ["bpf"], ...spec });
const without = (arch: string, rodata: "full" | "on"): Machine => boot(arch, { boot: { rodata, kpkeys: "off" } });

/** Programs after boot, and the pages of their images: one crosses a page boundary. */
const PROGRAMS = 27;
const PARTS = 28;

function load(booted: Machine, bytes: Uint8Array): BpfImage {
  const image = booted.get(BpfJit).load(bytes);
  if (typeof image === "number") throw new Error(`errno ${image}`);
  return image;
}

const after = ({ high, low }: Words, offset: number): Words => toWords(fromWords(high, low) + BigInt(offset));
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index * 7);

function read(booted: Machine, address: Words, length: number): number[] {
  const bytes = booted.get(Exceptions).copyFromKernelNofault(address, length);
  if (!(bytes instanceof Uint8Array)) throw new Error(`errno ${bytes}`);
  return [...bytes];
}

/** Takes all free pages, and the addresses that have a table. @returns the pages */
function holdMemory(booted: Machine): Pfn[] {
  const pages = booted.get(PageAllocator);
  const vmalloc = booted.get(Vmalloc);
  const held: Pfn[] = [];
  for (let pfn = pages.alloc(0); pfn !== undefined; pfn = pages.alloc(0)) held.push(pfn);
  while (vmalloc.mapRam(held.slice(0, 1)) !== undefined);
  return held;
}

/** The linear address of the first instruction. */
function linearOf(booted: Machine, { address }: BpfImage): Words {
  const { pageShift } = booted.memory;
  const pfn = booted.get(Vmalloc).pfnOf(pageOf(address, pageShift))!;
  return booted.get(LinearMap).address(pfn, address.low & (2 ** pageShift - 1));
}

/** Whether the current CPU may make an access in the kernel. */
function allows(booted: Machine, { high, low }: Words, access: Access): boolean {
  return booted.cpus.current.access(high, low, access, Privilege.KERNEL) === 0;
}

/** Gives the current CPU rights on the key BPF, as no context does. */
function setRights(booted: Machine, rights: Rights): void {
  const register = booted.get(PkeyRegister);
  const key = booted.get(Kpkeys).pkey("BPF");
  const cpu = booted.cpus.current;
  const [mask, field] = [register.fieldMask(key), register.field(key, rights)];
  cpu.writePkeyRegister(
    (cpu.pkeyRegisterHigh & ~mask.high) | field.high,
    (cpu.pkeyRegisterLow & ~mask.low) | field.low,
  );
  cpu.synchronise();
}

describe.each(ARCHES)("images of BPF programs on %s", (arch) => {
  test("are closed in both mappings, and every probe store is blocked", () => {
    const booted = boot(arch);
    const key = booted.get(Kpkeys).pkey("BPF");
    const objects = booted.scanObjects();
    expect([[...booted.get(BpfJit).images].length, objects.length]).toEqual([PROGRAMS, PARTS]);
    for (const { aliases } of objects)
      expect(aliases.map(({ pkey, writable }) => [pkey, writable]).sort()).toEqual([
        [key, false],
        [key, true],
      ]);
    expect(coverageOf(booted, booted.scan())).toMatchObject({
      objects: { bpf_image: { objects: PARTS, keyed: PARTS, readOnly: 0 } },
      gaps: [],
    });
    const { tried, blocked, readOnly, gaps } = attack(booted, booted.scan());
    expect([tried, blocked, readOnly, gaps]).toEqual([PARTS * 3, PARTS * 3, PARTS * 3, []]);
  });

  test("without kernel pkeys are open in the linear mapping, unless rodata=full makes that read-only", () => {
    const open = without(arch, "on");
    expect(attack(open, open.scan())).toMatchObject({
      tried: PARTS * 3,
      blocked: 0,
      readOnly: PARTS * 3,
      gaps: [{ source: "bpf_image", level: "object", mapping: "linear", stores: PARTS * 3 }],
    });
    const readOnly = without(arch, "full");
    expect(attack(readOnly, readOnly.scan())).toMatchObject({ tried: 0, readOnly: PARTS * 6, gaps: [] });
  });

  test("are found open through a later alias, which has key 0", () => {
    const booted = boot(arch);
    const [{ pfn }] = booted.scanObjects() as [ScannedObject];
    booted.get(Vmalloc).mapRam([pfn]);
    const { gaps } = coverageOf(booted, booted.scan());
    expect(gaps).toMatchObject([{ source: "bpf_image", level: "object", mapping: "other" }]);
    expect(attack(booted, booted.scan()).gaps).toMatchObject([{ source: "bpf_image", mapping: "other" }]);
  });

  test("no right on the key makes a mapping both writable and executable", () => {
    const booted = boot(arch);
    const image = load(booted, bytesOf(100));
    const linear = linearOf(booted, image);
    setRights(booted, "rwx");
    const { WRITE, FETCH } = Access;
    expect([WRITE, FETCH].map((access) => allows(booted, image.address, access))).toEqual([false, true]);
    expect([WRITE, FETCH].map((access) => allows(booted, linear, access))).toEqual([true, false]);
  });

  test("are executed by the right to execute of POR_EL1, which IA32_PKRS does not have", () => {
    const booted = boot(arch);
    const image = load(booted, bytesOf(5000));
    expect(booted.get(BpfJit).run(image)).toBe(0);
    setRights(booted, "r");
    expect(booted.get(BpfJit).run(image)).toBe(arch === "arm64-poe" ? Errno.EFAULT : 0);
  });

  test("are where execmem puts them, full of traps outside of the programs", () => {
    const booted = boot(arch);
    const image = load(booted, bytesOf(41));
    const { high, low } = image.address;
    const address = fromWords(high, low);
    // Documentation/arch/x86/x86_64/mm.rst: modules; asm/memory.h of arm64: KIMAGE_VADDR plus the image, for 48 bits.
    const [from, to] =
      arch === "x86-pks" ? [0xffffffffc0000000n, 0xffffffffff000000n] : [0xffff800080000000n, 0xfffffdffc0000000n];
    expect(address > from && address < to).toBe(true);
    expect(image.size).toBe(128);
    // INT3; BRK #0x100.
    const trap = arch === "x86-pks" ? [0xcc, 0xcc, 0xcc, 0xcc] : [0x00, 0x20, 0x20, 0xd4];
    const tail = read(booted, after(image.address, 48), 72);
    expect(tail).toEqual(Array.from({ length: 18 }, () => trap).flat());
    expect(read(booted, after(image.address, -8), 8)).toEqual([128, 0, 0, 0, ...trap]);
    expect(booted.get(BpfJit).unload(image)).toBe(0);
    expect(read(booted, after(image.address, -8), 128)).toEqual(Array.from({ length: 32 }, () => trap).flat());
  });

  test("give their pages back without a key and writable", () => {
    for (const booted of [boot(arch), without(arch, "full")]) {
      const { pageShift } = booted.memory;
      const image = load(booted, bytesOf(2 ** 21));
      const pages = Math.ceil(image.size / 2 ** pageShift);
      const first = pageOf(image.address, pageShift);
      const frames = Array.from({ length: pages }, (_, i) => booted.get(Vmalloc).pfnOf(toVpn(first + i))!);
      const key = booted.get(Kpkeys).supported() ? booted.get(Kpkeys).pkey("BPF") : 0;
      const pageKeys = booted.get(PageKeys);
      const keyOf = ({ high, low }: Words): number => pageKeys.ofLeaf(high, low, 0);
      const keys = (): Set<number> => new Set(frames.map((pfn) => keyOf(leafOf(booted, pfn))));
      expect(keys()).toEqual(new Set([key]));
      expect(booted.get(BpfJit).unload(image)).toBe(0);
      expect(booted.get(Vmalloc).pfnOf(first)).toBeUndefined();
      expect(keys()).toEqual(new Set([0]));
      const linearMap = booted.get(LinearMap);
      expect(frames.every((pfn) => allows(booted, linearMap.address(pfn), Access.WRITE))).toBe(true);
    }
  });
});

describe.each(ARCHES)("the JIT on %s", (arch) => {
  test("rejects a patch outside the image and one that expects other bytes", () => {
    const booted = boot(arch);
    const jit = booted.get(BpfJit);
    const image = load(booted, bytesOf(20));
    const word = toWords(0x312a231c150e0700n);
    const other = toWords(1n);
    expect(jit.patch(image, 8, word, other)).toBe(Errno.EBUSY);
    for (const offset of [-8, 4, 24, 1 << 20]) expect(jit.patch(image, offset, word, other)).toBe(Errno.EINVAL);
    expect(jit.patch(image, 0, word, other)).toBe(0);
    expect(read(booted, image.address, 16)).toEqual([...toBytes(other, "little"), ...bytesOf(16).slice(8)]);
  });

  test("rejects an image that is not loaded", () => {
    const jit = boot(arch).get(BpfJit);
    const image = jit.load(bytesOf(8)) as BpfImage;
    jit.unload(image);
    const word = toWords(0n);
    for (const use of [() => jit.unload(image), () => jit.run(image), () => jit.patch(image, 0, word, word)])
      expect(use).toThrow(expect.objectContaining({ code: "ERR_API_MISUSE" }));
  });

  test("returns -ENOMEM without memory, and takes nothing", () => {
    const booted = boot(arch);
    const jit = booted.get(BpfJit);
    const vmalloc = booted.get(Vmalloc);
    for (let pages = 4096; pages >= 64; pages /= 2) while (vmalloc.alloc(pages) !== undefined);
    const free = (): number => booted.get(PageAllocator).freePages;
    const before = free();
    expect(jit.load(bytesOf(2 ** 21))).toBe(Errno.ENOMEM);
    expect(free()).toBe(before);
    expect(jit.run(load(booted, bytesOf(64)))).toBe(0);
  });

  test("keeps a program loaded if there is no memory for the alias that fills its chunks with traps", () => {
    const booted = without(arch, "full");
    const jit = booted.get(BpfJit);
    const image = load(booted, bytesOf(40));
    const neighbour = load(booted, bytesOf(40));
    const loaded = [...jit.images].length;
    const held = holdMemory(booted);
    expect(jit.unload(image)).toBe(Errno.ENOMEM);
    expect([[...jit.images].length, jit.run(image)]).toEqual([loaded, 0]);
    expect(read(booted, image.address, 40)).toEqual([...bytesOf(40)]);
    for (const pfn of held) booted.get(PageAllocator).free(pfn, 0);
    expect([jit.unload(image), jit.unload(neighbour), [...jit.images].length]).toEqual([0, 0, loaded - 2]);
  });

  test("writes with two register writes and no table write; without kernel pkeys through an alias", () => {
    const cost = (booted: Machine, operation: (jit: BpfJit) => unknown): Record<string, number> => {
      const { registerWrites, barriers, tableWrites, tlbInvalidations } = booted.counters();
      operation(booted.get(BpfJit));
      const now = booted.counters();
      return {
        registerWrites: now.registerWrites - registerWrites,
        barriers: now.barriers - barriers,
        tableWrites: now.tableWrites - tableWrites,
        tlbInvalidations: now.tlbInvalidations - tlbInvalidations,
      };
    };
    const poke = { tableWrites: 2, tlbInvalidations: 1, registerWrites: 0, barriers: 0 };
    const guarded = { tableWrites: 0, tlbInvalidations: 0, registerWrites: 2, barriers: arch === "arm64-poe" ? 2 : 0 };
    for (const [booted, expected] of [
      [boot(arch), guarded],
      [without(arch, "full"), poke],
    ] as const) {
      let image: BpfImage;
      expect(cost(booted, () => (image = load(booted, bytesOf(40))))).toEqual(expected);
      expect(cost(booted, (jit) => jit.patch(image, 0, toWords(0x312a231c150e0700n), toWords(1n)))).toEqual(expected);
      expect(cost(booted, (jit) => jit.run(image))).toEqual({ ...guarded, registerWrites: 0, barriers: 0 });
      expect(cost(booted, (jit) => jit.unload(image))).toEqual(expected);
    }
    const pages = boot(arch);
    expect(cost(pages, () => load(pages, bytesOf(3 * 2 ** pages.memory.pageShift)))).toEqual(guarded);
  });

  test("never makes an alias with key 0 of an image, as text_poke does without kernel pkeys", () => {
    for (const [booted, expected] of [
      [boot(arch), 0],
      [without(arch, "full"), 1],
    ] as const) {
      const image = load(booted, bytesOf(40));
      let open = 0;
      const detach = booted.get(Observers).attach({
        tlbFill() {
          const aliases = booted.scanObjects().flatMap(({ aliases }) => aliases);
          open += new Set(aliases.filter(({ pkey, writable }) => writable && pkey === 0).map(({ page }) => page)).size;
        },
      });
      booted.get(BpfJit).patch(image, 0, toWords(0x312a231c150e0700n), toWords(1n));
      detach();
      expect(open).toBe(expected);
    }
  });

  test("passes its suite, and skips it without kernel pkeys", () => {
    const outcome = (booted: Machine): string[] =>
      runSuites(booted).flatMap(({ name, cases }) => cases.map(({ status }) => `${name} ${status}`));
    expect(outcome(boot(arch))).toEqual(Array(6).fill("kpkeys_hardened_bpf_jit passed"));
    expect(outcome(without(arch, "full"))).toEqual(Array(6).fill("kpkeys_hardened_bpf_jit skipped"));
  });
});

describe.each(ARCHES)("with every version of the series on %s", (arch) => {
  test.each(Object.keys(SERIES) as SeriesName[])("%s: images are closed, and the suite passes", (series) => {
    const booted = machine(arch, machineOptionsOf(series, "batched", arch, ["pgtables", "bpf"]));
    const { objects } = coverageOf(booted, booted.scan());
    expect(objects).toMatchObject({ bpf_image: { objects: PARTS, keyed: PARTS } });
    expect(attack(booted, booted.scan()).bySource).toMatchObject({
      bpf_image: { tried: PARTS * 3, blocked: PARTS * 3 },
    });
    expect(runSuites(booted, [hardenedBpf]).flatMap(({ cases }) => cases.map(({ status }) => status))).toEqual(
      Array(6).fill("passed"),
    );
  });

  // A limit that the README names: an interrupt that inherits BPF_JIT can write images.
  test.each([
    ["inherit", 0],
    ["reset", Errno.EFAULT],
  ] as const)(
    "an interrupt of the JIT, with the policy %s, gets %i from a store to an image",
    (exceptionEntry, expected) => {
      const booted = boot(arch, { kernel: { exceptionEntry } });
      const kpkeys = booted.get(Kpkeys);
      const exceptions = booted.get(Exceptions);
      const linear = linearOf(booted, load(booted, bytesOf(8)));
      const state = kpkeys.enterContext("BPF_JIT");
      let errno: number | undefined;
      exceptions.interrupt(() => (errno = exceptions.copyToKernelNofault(linear, new Uint8Array(8))));
      kpkeys.leaveContext(state);
      expect(errno).toBe(expected);
    },
  );
});
