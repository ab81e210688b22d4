import { Random } from "@kpkeys/core";
import { applyChange, EntryType, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { PageTableFormat, ProtectionName, Words } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { Bench } from "../bench.js";
import type { ConformanceRule, ReportFinding } from "../rule.js";
import { valueText } from "../text.js";
import { needsEntryKeys } from "./key-place.js";

const SOURCE = "contract PageTableFormat";
const LEVEL_ORDER = ["pgd", "p4d", "pud", "pmd", "pte"];

/** The rights of a leaf by the name of its protection in Linux. PAGE_NONE is not a valid leaf. */
const LEAF_RIGHTS: Readonly<Record<Exclude<ProtectionName, "PAGE_NONE">, { writable: boolean; user: boolean }>> = {
  PAGE_KERNEL: { writable: true, user: false },
  PAGE_KERNEL_RO: { writable: false, user: false },
  PAGE_KERNEL_ROX: { writable: false, user: false },
  PAGE_KERNEL_EXEC: { writable: true, user: false },
  PAGE_READONLY: { writable: false, user: true },
  PAGE_READONLY_EXEC: { writable: false, user: true },
  PAGE_SHARED: { writable: true, user: true },
  PAGE_SHARED_EXEC: { writable: true, user: true },
};
const LEAF_PROTECTIONS = Object.keys(LEAF_RIGHTS) as (keyof typeof LEAF_RIGHTS)[];

/** The fields of a leaf, as the codec decodes them. */
interface LeafFields {
  type: EntryType;
  pfn: number;
  pkey: number;
  writable: boolean;
  user: boolean;
  young: boolean;
  dirty: boolean;
}

function fieldsOf({ format, pageKeys }: Bench, level: number, { high, low }: Words): LeafFields {
  return {
    type: format.typeOf(toLevel(level), high, low),
    pfn: format.pfnOf(high, low),
    pkey: pageKeys.ofLeaf(high, low, 0),
    writable: format.isWritable(high, low),
    user: format.isUser(high, low),
    young: format.isYoung(high, low),
    dirty: format.isDirty(high, low),
  };
}

/** Reports each field whose value is not the expected one. */
function compare(report: ReportFinding, what: string, found: LeafFields, expected: Partial<LeafFields>): void {
  for (const [name, value] of Object.entries(expected)) {
    const actual = found[name as keyof LeafFields];
    if (actual !== value) report(`${what}: ${name} is ${actual}; expected ${value}`);
  }
}

/** One past the highest page frame that an entry can name and that RAM can have. */
function pfnEnd(format: PageTableFormat): number {
  return Math.min(2 ** 31, Math.max(format.pfnOf(-1, -1), format.pfnOf(0, 0)) + 1);
}

/** Page frames to test, multiples of the size of a leaf: each single bit of the field, and random ones. */
function pfnsFor(format: PageTableFormat, level: number): number[] {
  const { levels, pageShift } = format.geometry;
  const pages = 2 ** (levels[level]!.shift - pageShift);
  const end = pfnEnd(format);
  const random = new Random(level);
  const single = Array.from({ length: 31 }, (_, bit) => 2 ** bit).filter((pfn) => pfn >= pages && pfn < end);
  const some = Array.from({ length: 16 }, () => Math.floor(random.below(end) / pages) * pages);
  return [0, ...single, ...some];
}

const leafLevels = (format: PageTableFormat): number[] =>
  format.geometry.levels.flatMap(({ leaf }, level) => (leaf ? [level] : []));

const geometry: ConformanceRule = {
  id: "format/geometry",
  sentence: "the levels cover the address bits above the page offset without a gap, and a table fits into a page",
  source: "contract Geometry",
  check({ plugin }, report) {
    const { levels, pageShift, addressBits } = new Bench(plugin).format.geometry;
    levels.forEach(({ name, shift, indexBits }, level) => {
      const below = levels[level + 1];
      const bottom = below === undefined ? pageShift : below.shift + below.indexBits;
      if (shift !== bottom) report(`level ${name} begins at bit ${shift}; expected bit ${bottom}`);
      if (indexBits + 3 > pageShift) report(`a table of level ${name} is larger than a page of 2^${pageShift} bytes`);
      const above = levels[level - 1]?.name;
      if (above !== undefined && LEVEL_ORDER.indexOf(above) >= LEVEL_ORDER.indexOf(name)) {
        report(`level ${name} is below ${above}`);
      }
    });
    const top = levels[0]!;
    if (top.shift + top.indexBits !== addressBits) {
      report(`the top level ends at bit ${top.shift + top.indexBits}; expected bit ${addressBits}`);
    }
    const last = levels.at(-1)!;
    if (last.name !== "pte" || !last.leaf)
      report(`the last level is ${last.name}${last.leaf ? "" : " without leaves"}; expected pte with leaves`);
  },
};

const tables: ConformanceRule = {
  id: "format/tables",
  sentence: "a table entry decodes as one at every level above the last, with the page frame that it was made of",
  source: SOURCE,
  check({ plugin }, report) {
    const { format } = new Bench(plugin);
    format.geometry.levels.slice(0, -1).forEach(({ name }, level) => {
      for (const user of [false, true]) {
        for (const pfn of pfnsFor(format, format.geometry.levels.length - 1)) {
          const entry = format.makeTable(toPfn(pfn), user);
          const { high, low } = entry;
          if (format.typeOf(toLevel(level), high, low) !== EntryType.TABLE)
            report(`${name}: ${valueText(entry)} is not a table entry`);
          if (format.pfnOf(high, low) !== pfn)
            report(`${name}: the page frame is ${format.pfnOf(high, low)}; expected ${pfn}`);
          if (!format.isPresent(high, low)) report(`${name}: ${valueText(entry)} is not present`);
        }
      }
      if (format.typeOf(toLevel(level), 0, 0) !== EntryType.INVALID || format.isPresent(0, 0))
        report(`${name}: 0 is a valid or present entry`);
    });
  },
};

const leaves: ConformanceRule = {
  id: "format/leaves",
  sentence: "a leaf of every level, protection and page frame decodes to the values that it was made of",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format } = bench;
    for (const level of leafLevels(format)) {
      const { name } = format.geometry.levels[level]!;
      for (const pfn of pfnsFor(format, level)) {
        for (const protection of LEAF_PROTECTIONS) {
          const { writable, user } = LEAF_RIGHTS[protection];
          const made = bench.leaf(level, pfn, format.protections[protection]);
          compare(report, `${protection} of page frame ${pfn} at ${name}`, fieldsOf(bench, level, made), {
            type: EntryType.LEAF,
            pfn,
            pkey: 0,
            writable,
            user,
            young: true,
            ...(user && { dirty: false }),
          });
        }
      }
    }
  },
};

const pkeys: ConformanceRule = {
  id: "format/pkeys",
  sentence: "a change of key sets the key of a leaf and no other field",
  source: "contract EntryKeys; __change_memory_common of the series",
  skip: needsEntryKeys,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format, register } = bench;
    for (const level of leafLevels(format)) {
      const pfn = pfnsFor(format, level).at(-1)!;
      for (const protection of LEAF_PROTECTIONS) {
        const made = format.makeLeaf(toLevel(level), toPfn(pfn), format.protections[protection]);
        const plain = fieldsOf(bench, level, made);
        for (let from = 0; from < register.keys; from++) {
          for (let to = 0; to < register.keys; to++) {
            const entry = bench.leaf(level, pfn, format.protections[protection], from);
            const { clear, set } = format.entryKeys!.pkeyChange(toPkey(to));
            if (((set.high & ~clear.high) | (set.low & ~clear.low)) !== 0)
              report(`the change to key ${to} sets bits outside its clear mask`);
            const changed = applyChange(entry, { clear, set });
            const what = `${protection} at ${format.geometry.levels[level]!.name}, from key ${from} to ${to}`;
            compare(report, what, fieldsOf(bench, level, changed), { ...plain, pkey: to });
          }
        }
      }
    }
  },
};

const attributes: ConformanceRule = {
  id: "format/attributes",
  sentence:
    "ro, rw, nx, x, invalid and valid have the effect of set_memory_* and set_direct_map_*, and keep address and key",
  source: `${SOURCE}.attributes; arch/arm64/mm/pageattr.c, arch/x86/mm/pat/set_memory.c`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format, managed } = bench;
    const level = bench.lastLevel;
    for (const protection of ["PAGE_KERNEL", "PAGE_KERNEL_RO"] as const) {
      for (const pfn of pfnsFor(format, level)) {
        let entry = bench.leaf(level, pfn, format.protections[protection], managed);
        const change = (name: keyof typeof format.attributes, expected: Partial<LeafFields>): void => {
          entry = applyChange(entry, format.attributes[name]);
          const what = `${protection} of page frame ${pfn} after ${name}`;
          compare(report, what, fieldsOf(bench, level, entry), { pfn, pkey: managed, user: false, ...expected });
          if (!format.isPresent(entry.high, entry.low)) report(`${what}: it is not present`);
        };
        change("ro", { type: EntryType.LEAF, writable: false });
        change("rw", { type: EntryType.LEAF, writable: true });
        change("nx", { type: EntryType.LEAF, writable: true });
        change("x", { type: EntryType.LEAF, writable: true });
        change("invalid", { type: EntryType.INVALID });
        change("valid", { type: EntryType.LEAF });
      }
    }
  },
};

/** The changes of state, with the field that each changes. */
const STATE_CHANGES = [
  ["makeWritable", { writable: true }],
  ["makeReadOnly", { writable: false }],
  ["makeOld", { young: false }],
  ["makeYoung", { young: true }],
  ["makeDirty", { dirty: true }],
  ["makeClean", { dirty: false }],
] as const;

const state: ConformanceRule = {
  id: "format/state",
  sentence: "each change of writable, young or dirty changes no other field",
  source: `${SOURCE}: pte_mkwrite, pte_wrprotect, pte_mkyoung, pte_mkold, pte_mkdirty, pte_mkclean`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format } = bench;
    const random = new Random(7);
    const level = bench.lastLevel;
    for (const protection of ["PAGE_SHARED", "PAGE_READONLY", "PAGE_SHARED_EXEC", "PAGE_READONLY_EXEC"] as const) {
      const pfn = pfnsFor(format, level).at(-1)!;
      let entry = bench.leaf(level, pfn, format.protections[protection]);
      const expected = fieldsOf(bench, level, entry);
      const changes: string[] = [protection];
      for (let step = 0; step < 200; step++) {
        const [name, effect] = random.oneOf(STATE_CHANGES);
        entry = format[name](entry);
        changes.push(name);
        Object.assign(expected, effect);
        const before = changes.slice(-3).join(", ");
        compare(report, before, fieldsOf(bench, level, entry), expected);
        Object.assign(expected, fieldsOf(bench, level, entry));
      }
    }
  },
};

const reprotect: ConformanceRule = {
  id: "format/reprotect",
  sentence: "pte_modify changes the protection of a leaf and keeps address, key, young and dirty",
  source: `${SOURCE}.reprotect: pte_modify`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format, managed } = bench;
    const level = bench.lastLevel;
    const pfn = pfnsFor(format, level).at(-1)!;
    const names = LEAF_PROTECTIONS.filter((name) => LEAF_RIGHTS[name].user);
    for (const from of names) {
      for (const to of names) {
        for (const dirty of [false, true]) {
          const old = bench.leaf(level, pfn, format.protections[from], managed);
          const entry = format.reprotect(dirty ? format.makeDirty(old) : old, format.protections[to]);
          const { writable } = LEAF_RIGHTS[to];
          compare(report, `${from}${dirty ? ", dirty," : ""} to ${to}`, fieldsOf(bench, level, entry), {
            type: EntryType.LEAF,
            pfn,
            pkey: managed,
            writable,
            user: true,
            young: true,
            dirty,
          });
          const none = format.reprotect(entry, format.protections.PAGE_NONE);
          if (format.typeOf(toLevel(level), none.high, none.low) !== EntryType.INVALID)
            report(`${to} to PAGE_NONE: the entry is still valid`);
          if (!format.isPresent(none.high, none.low)) report(`${to} to PAGE_NONE: the entry is not present`);
          if (format.pfnOf(none.high, none.low) !== pfn) report(`${to} to PAGE_NONE: the page frame is lost`);
        }
      }
    }
  },
};

const split: ConformanceRule = {
  id: "format/split",
  sentence: "the first leaf of a split block maps its start with its attributes; an invalid block stays invalid",
  source: `${SOURCE}.splitLeaf: split_pmd, split_pud of arch/arm64/mm/mmu.c`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format, register } = bench;
    for (const level of leafLevels(format).filter((each) => each < bench.lastLevel)) {
      const { name } = format.geometry.levels[level]!;
      const pfn = pfnsFor(format, level).at(-1)!;
      for (let pkey = 0; pkey < register.keys; pkey++) {
        for (const [protection, bits] of Object.entries(format.protections)) {
          // Only kernel mappings are split.
          if (!protection.startsWith("PAGE_KERNEL")) continue;
          const block = bench.leaf(level, pfn, bits, pkey);
          const first = format.splitLeaf(block, toLevel(level));
          const what = `a ${name} block of ${protection} and key ${pkey}, split`;
          compare(report, what, fieldsOf(bench, level + 1, first), fieldsOf(bench, level, block));
        }
        const entry = bench.leaf(level, pfn, format.protections.PAGE_KERNEL, pkey);
        const invalid = format.splitLeaf(applyChange(entry, format.attributes.invalid), toLevel(level));
        if (format.typeOf(toLevel(level + 1), invalid.high, invalid.low) !== EntryType.INVALID) {
          report(`the split of an invalid ${name} block of key ${pkey} makes valid leaves`);
        }
      }
    }
  },
};

/** Addresses of both halves: their ends, and random ones. */
export function someAddresses({ pgtable, format }: Pick<Bench, "pgtable" | "format">, count: number): bigint[] {
  const { userEnd, linearMap } = pgtable.layout;
  const random = new Random(11);
  const page = 1n << BigInt(format.geometry.pageShift);
  const kernel = Array.from({ length: count }, () => linearMap + random.bigBelow(2n ** 64n - linearMap));
  const user = Array.from({ length: count }, () => random.bigBelow(userEnd));
  return [linearMap, 2n ** 64n - page, 0n, userEnd - page, ...kernel, ...user].map(
    (address) => address - (address % 8n),
  );
}

const index: ConformanceRule = {
  id: "format/index",
  sentence: "the index of an address in a table consists of the bits that the geometry defines",
  source: `${SOURCE}.index`,
  check({ plugin }, report) {
    const { format, pgtable } = new Bench(plugin);
    for (const address of someAddresses({ format, pgtable }, 64)) {
      const { high, low } = toWords(address);
      format.geometry.levels.forEach(({ name, shift, indexBits }, level) => {
        const expected = Number((address >> BigInt(shift)) % 2n ** BigInt(indexBits));
        const found = format.index(toLevel(level), high, low);
        if (found !== expected)
          report(`${valueText({ high, low })} has index ${found} at ${name}; expected ${expected}`);
      });
    }
  },
};

/** Rules of the codec of page-table entries. */
export const FORMAT_RULES: readonly ConformanceRule[] = [
  geometry,
  index,
  tables,
  leaves,
  pkeys,
  attributes,
  state,
  reprotect,
  split,
];
