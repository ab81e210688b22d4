import { toWords } from "@kpkeys/core";
import { Errno, Exceptions, Kpkeys, LinearMap, pageOf, PhysicalMemory, toVpn, Vmalloc } from "@kpkeys/core/contracts";
import type { KunitSuite, KunitTest, Pfn, Words } from "@kpkeys/core/contracts";
import { program } from "./boot-programs.js";
import { BpfJit } from "./jit.js";
import type { BpfImage } from "./jit.js";

/** Bytes of a program that is larger than a pack of 2 MiB, so that its pages are its own. */
const LARGE = 2 * 1024 * 1024;

/** The suite of the feature: direct writes of an image fail in each mapping, and the JIT's functions work. */
export const hardenedBpf: KunitSuite = {
  name: "kpkeys_hardened_bpf_jit",
  config: "KPKEYS_HARDENED_BPF_JIT_KUNIT_TEST",
  cases: [
    { name: "write_image", run: writeImage },
    { name: "write_linear_alias", run: writeLinearAlias },
    { name: "jit_write", run: jitWrite },
    { name: "run_in_interrupt", run: runInInterrupt },
    { name: "programs_share_pack", run: programsSharePack },
    { name: "unload_resets_pkey", run: unloadResetsPkey },
  ],
};

function writeImage(test: KunitTest): void {
  const { address } = loadProgram(test, 100);
  test.expectEq(write(test, address), Errno.EFAULT, "Direct write of an image wasn't prevented");
}

function writeLinearAlias(test: KunitTest): void {
  const { address } = loadProgram(test, 100);
  const alias = linearAlias(test, address);
  test.expectEq(write(test, alias), Errno.EFAULT, "Direct write of the linear alias of an image wasn't prevented");
}

function jitWrite(test: KunitTest): void {
  const jit = test.get(BpfJit);
  const image = loadProgram(test, 100);
  const [from, to] = [toWords(0x0f0e_0d0c_0b0a_0908n), toWords(0x1122_3344_5566_7788n)];
  test.expectEq(jit.patch(image, 8, to, from), Errno.EBUSY, "A patch replaced bytes that it did not expect");
  test.expectEq(jit.patch(image, 8, from, to), 0, "The JIT could not write the image");
  test.expectEq(byteAt(test, image.address, 8), 0x88, "The patch is not in the image");
  test.expectEq(byteAt(test, image.address, 16), 16, "The patch changed the bytes after it");
  test.expectEq(jit.run(image), 0, "The image cannot be executed");
}

/** A program that an interrupt runs while the JIT writes another one: packet filters run in softirqs. */
function runInInterrupt(test: KunitTest): void {
  const kpkeys = test.get(Kpkeys);
  const image = loadProgram(test, 100);
  let errno: number = Errno.EFAULT;
  const state = kpkeys.enterContext("BPF_JIT");
  test.get(Exceptions).interrupt(() => {
    errno = test.get(BpfJit).run(image);
  });
  kpkeys.leaveContext(state);
  test.expectEq(errno, 0, "An interrupt of the JIT cannot execute an image");
}

function programsSharePack(test: KunitTest): void {
  const jit = test.get(BpfJit);
  const first = loadProgram(test, 40);
  const second = loadProgram(test, 40);
  const third = loadProgram(test, 40);
  test.expectEq(jit.unload(second), 0, "The JIT could not fill the image with traps");
  test.expectEq(jit.run(first) | jit.run(third), 0, "The other images of the pack cannot be executed");
  test.expectEq(byteAt(test, first.address, 39), 39, "The image before the removed one changed");
  test.expectEq(byteAt(test, third.address, 39), 39, "The image after the removed one changed");
  test.expectEq(write(test, second.address), Errno.EFAULT, "Direct write of a free chunk wasn't prevented");
}

function unloadResetsPkey(test: KunitTest): void {
  const image = loadProgram(test, LARGE);
  const memory = test.get(PhysicalMemory);
  const first = pageOf(image.address, memory.pageShift);
  const frames: Pfn[] = [];
  for (let at = 0; at < image.size; at += 2 ** memory.pageShift)
    frames.push(test.get(Vmalloc).pfnOf(toVpn(first + at / 2 ** memory.pageShift))!);
  test.get(BpfJit).unload(image);
  const linearMap = test.get(LinearMap);
  const unusable = frames.filter((pfn) => write(test, linearMap.address(pfn)) !== 0).length;
  test.expectEq(unusable, 0, "Free pages cannot be written");
}

/** Loads a program, which the end of the case unloads unless the case did. */
function loadProgram(test: KunitTest, length: number): BpfImage {
  if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
  const jit = test.get(BpfJit);
  const image = jit.load(program(length));
  if (typeof image === "number") {
    test.assertEq(image, 0, "Could not load a program");
    throw new TypeError("the assertion ends the case");
  }
  test.defer(() => {
    if ([...jit.images].includes(image)) jit.unload(image);
  });
  return image;
}

function write(test: KunitTest, address: Words): 0 | Errno {
  return test.get(Exceptions).copyToKernelNofault(address, new Uint8Array(8));
}

function linearAlias(test: KunitTest, address: Words): Words {
  const { pageShift } = test.get(PhysicalMemory);
  const pfn = test.get(Vmalloc).pfnOf(pageOf(address, pageShift))!;
  return test.get(LinearMap).address(pfn, address.low & (2 ** pageShift - 1));
}

/** A byte of an image; -14 as a number if it cannot be read. */
function byteAt(test: KunitTest, { high, low }: Words, offset: number): number {
  const bytes = test.get(Exceptions).copyFromKernelNofault({ high, low: low + (offset - (offset % 8)) }, 8);
  return bytes instanceof Uint8Array ? bytes[offset % 8]! : bytes;
}
