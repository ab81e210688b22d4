import { toBytes } from "@kpkeys/core";
import {
  Errno,
  Exceptions,
  Kpkeys,
  LinearMap,
  PgtableArch,
  PhysicalMemory,
  StaticTablePages,
  toVpn,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { KunitSuite, KunitTest, Pfn, Vpn } from "@kpkeys/core/contracts";

/** The page at which the kernel image maps one of its page frames. */
function imagePageOf(test: KunitTest, pfn: Pfn): Vpn {
  const { layout } = test.get(PgtableArch);
  const { firstPfn, pageShift } = test.get(PhysicalMemory);
  const imagePfn = firstPfn + layout.imageOffset / 2 ** pageShift;
  return toVpn(Number(layout.image >> BigInt(pageShift)) + pfn - imagePfn);
}

/** Writes the first entry of each table of the fixmap through one of its mappings, with the value that it has. */
function writeThrough(test: KunitTest, mapping: string, pageOf: (pfn: Pfn) => Vpn): void {
  if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
  const memory = test.get(PhysicalMemory);
  const tables = test.get(StaticTablePages).keyed.filter(({ role }) => role === "fixmap");
  test.assertNe(tables.length, 0, "The fixmap has no static table");
  for (const { symbol, pfn } of tables) {
    const address = wordsOf(pageOf(pfn), memory.pageShift);
    const errno = test.get(Exceptions).copyToKernelNofault(address, toBytes(memory.read(pfn, 0), memory.byteOrder));
    test.expectEq(errno, Errno.EFAULT, `Write to ${symbol} through the ${mapping} wasn't prevented`);
  }
}

/** Stores to the tables of the fixmap through both of their mappings. */
export const fixmapTablesSuite: KunitSuite = {
  name: "kpkeys_fixmap_tables",
  cases: [
    {
      name: "write_fixmap_table_linear",
      run(test) {
        writeThrough(test, "linear map", (pfn) => test.get(LinearMap).pageOf(pfn));
      },
    },
    {
      name: "write_fixmap_table_image",
      run(test) {
        writeThrough(test, "image mapping", (pfn) => imagePageOf(test, pfn));
      },
    },
  ],
};
