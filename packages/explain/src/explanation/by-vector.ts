import { toPfn, toVirtAddr } from "@kpkeys/core/contracts";
import type {
  ArchTools,
  MemoryBank,
  PageTableFormat,
  PhysicalMemory,
  Vector,
  VectorValue,
} from "@kpkeys/core/contracts";
import { createPhysicalMemory, fromWords, toWords } from "@kpkeys/core/machine";
import { accessOf, VectorRunner } from "../vectors/run.js";
import { judgeVector } from "../vectors/verdict.js";
import type { Asked } from "./asked.js";
import type { VectorQuestion } from "./explanation.js";
import { listed } from "./words.js";

/** Width of physical addresses on the machine that recorded the vectors. */
const VECTOR_ADDRESS_BITS = 40;

/** Pages of a leaf, by its size in a vector. */
const LEAF_PAGES: Readonly<Record<string, number>> = { "4k": 1, "2m": 2 ** 9, "1g": 2 ** 18 };

/**
 * Runs a line of a vector file and returns its access, with the values of the registers after the run.
 *
 * @param question - the line
 * @param tools - the architecture's tools
 * @throws KpkeysError ERR_VECTOR_LINE
 */
export function askedByVector({ vector }: VectorQuestion, tools: ArchTools): Asked {
  const rules = tools.explanation;
  const runner = new VectorRunner(tools);
  const entries = entriesOf(vector);
  const leafPages = LEAF_PAGES[String(vector["level"])] ?? 1;
  const { high, low } = toWords(entries.at(-1)!);
  const leaf = rules.format.pfnOf(high, low);
  const inLeaf = (pfn: number): boolean => Math.floor(pfn / leafPages) === Math.floor(leaf / leafPages);
  const memory = memoryForTables(entries, rules.format, inLeaf);
  const cpu = rules.createCpu(memory, VECTOR_ADDRESS_BITS, rules.format.geometry);
  const outcome = runner.run(vector, cpu, memory);
  const { names } = cpu.systemRegisters;
  const { disagreements } = judgeVector(vector, outcome);

  return {
    setup: {
      format: rules.format,
      entries,
      address: toVirtAddr(BigInt(vector["va"] as string)),
      access: accessOf(vector),
      privilege: tools.vectors!.privilegeOf(vector),
      registers: Object.fromEntries(names.map((name) => [name, cpu.systemRegisters.read(name)])),
      pkeyRegister: fromWords(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow),
      physicalAddressBits: VECTOR_ADDRESS_BITS,
    },
    pins: {},
    assumed: [{ topic: "report", text: vectorText(vector, Object.keys(outcome)) }],
    differences: () =>
      disagreements.map(
        ({ field, expected, model }) => `${field}: reported ${textOf(expected)}, computed ${textOf(model)}`,
      ),
  };
}

/**
 * Makes RAM for the tables of a vector and one page for the root. Tables above the physical address width are omitted: the walk faults
 * before it reads them.
 */
function memoryForTables(
  entries: readonly bigint[],
  format: PageTableFormat,
  avoid: (pfn: number) => boolean,
): PhysicalMemory {
  const below = entries.slice(0, -1).map((entry) => {
    const { high, low } = toWords(entry);
    return format.pfnOf(high, low);
  });
  const inside = below.filter((pfn) => pfn < 2 ** (VECTOR_ADDRESS_BITS - format.geometry.pageShift));
  let root = inside.length === 0 ? 0 : Math.min(...inside);
  while (below.includes(toPfn(root)) || avoid(root)) root++;
  const pfns = [...new Set([root, ...inside])].sort((a, b) => a - b);
  const banks: MemoryBank[] = pfns.map((pfn) => ({ firstPfn: toPfn(pfn), pages: 1 }));
  return createPhysicalMemory(banks, format.geometry);
}

/** The entries of an unchecked line, to make memory for them; the runner rejects an invalid line. */
function entriesOf({ upper, pte }: Vector): bigint[] {
  const all: readonly unknown[] = [...(Array.isArray(upper) ? (upper as readonly unknown[]) : []), pte];
  return all.map((entry) => (typeof entry === "string" && /^0x[\da-f]{1,16}$/i.test(entry) ? BigInt(entry) : 0n));
}

function vectorText(vector: Vector, judged: readonly string[]): string {
  const fields = judged.flatMap((field) => {
    const value = vector[field];
    const isShown = field !== "result" && (typeof value === "string" || typeof value === "number");
    return isShown ? [`${field} ${value}`] : [];
  });
  const prior = vector["prior"] === undefined ? "" : ", after the same access with all keys open";
  return `vector ${String(vector["id"])}: ${String(vector["result"])}${prior}: ${listed(fields)}`;
}

function textOf(value: VectorValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
