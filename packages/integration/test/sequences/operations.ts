import { Access, MapFlag, Privilege } from "@kpkeys/core/contracts";
import fc from "fast-check";

/** Operations of a task on its address space. Pages count from {@link BASE}. */
export type UserOp =
  | {
      readonly op: "mmap";
      readonly page: number;
      readonly pages: number;
      readonly prot: number;
      readonly flags: number;
    }
  | { readonly op: "munmap"; readonly page: number; readonly pages: number }
  | { readonly op: "mprotect"; readonly page: number; readonly pages: number; readonly prot: number }
  | { readonly op: "mremap"; readonly page: number; readonly to: number; readonly pages: number }
  | { readonly op: "madvise"; readonly page: number; readonly pages: number; readonly advice: number }
  | { readonly op: "touch"; readonly page: number; readonly access: Access; readonly privilege: Privilege };

/** Operations of the kernel outside of interrupts. `which` counts modulo the number of candidates. */
export type KernelOp =
  | { readonly op: "vmalloc"; readonly pages: number }
  | { readonly op: "vfree"; readonly which: number }
  | { readonly op: "setMemory"; readonly which: number; readonly how: "Ro" | "Rw" | "Nx" | "X" }
  | { readonly op: "setPage"; readonly which: number; readonly how: "invalid" | "default" | "keyed" | "unkeyed" };

/** Operations allowed everywhere: allocate, write and free table pages; and a stray store, which must fail. */
type AnywhereOp = { readonly op: "tables"; readonly count: number } | { readonly op: "stray"; readonly which: number };

/** Leaves few pages free, those of an earlier one counted; or as many as there are. */
export interface HogOp {
  readonly op: "hog";
  readonly left: number;
}

/** How something is enclosed: in a lazy MMU section, in a pause of one, in the context PGTABLES. */
export type Enclosure = "lazy" | "pause" | "context";

/** An interrupt with its way out. */
interface Interrupt {
  readonly op: "interrupt";
  readonly handler: readonly InterruptOp[];
  readonly irqExit: readonly Op[];
}

/** Operations that enclose others in a handler; `nested` is an interrupt of it. */
interface EnclosingInInterrupt {
  readonly op: Enclosure | "nested";
  readonly body: readonly InterruptOp[];
}

/** Operations that enclose others in a task. */
interface EnclosingInTask {
  readonly op: Enclosure;
  readonly body: readonly SectionOp[];
}

/** Operations of an interrupt handler. */
export type InterruptOp = AnywhereOp | EnclosingInInterrupt;

/** Operations inside a section. */
export type SectionOp = UserOp | KernelOp | AnywhereOp | EnclosingInTask | Interrupt;

/** Operations that switch the task: not inside a section, but at the exit of an interrupt that arrived in one. */
export type TaskOp =
  | { readonly op: "fork" | "exec" | "kthread" }
  | { readonly op: "exit"; readonly which: number }
  | { readonly op: "switch"; readonly which: number; readonly cpu: number }
  | { readonly op: "suspend"; readonly cpu: number };

/** Any operation. */
export type Op = SectionOp | TaskOp | HogOp;

/** The first virtual page that processes map. */
export const BASE = 0x400;

// Near each other, at the seams of tables of pages, and at a seam of the level above.
const page = fc.oneof(fc.nat(8), fc.integer({ min: 0x1f8, max: 0x208 }), fc.integer({ min: 0x3fbf8, max: 0x3fc08 }));
const pages = fc.integer({ min: 1, max: 6 });
const prot = fc.nat(7);
const which = fc.nat(7);

const anywhere: fc.Arbitrary<AnywhereOp> = fc.oneof(
  fc.record({ op: fc.constant("tables" as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ op: fc.constant("stray" as const), which }),
);

const simple: fc.Arbitrary<UserOp | KernelOp | AnywhereOp> = fc.oneof(
  fc.record({
    op: fc.constant("mmap" as const),
    page,
    pages,
    prot,
    flags: fc.constantFrom(
      MapFlag.PRIVATE | MapFlag.ANONYMOUS,
      MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE,
      MapFlag.SHARED,
      MapFlag.PRIVATE,
    ),
  }),
  fc.record({ op: fc.constant("munmap" as const), page, pages }),
  fc.record({ op: fc.constant("mprotect" as const), page, pages, prot }),
  fc.record({ op: fc.constant("mremap" as const), page, to: page, pages }),
  fc.record({ op: fc.constant("madvise" as const), page, pages, advice: fc.constantFrom(4, 8, 20, 21) }),
  fc.record({
    op: fc.constant("touch" as const),
    page,
    access: fc.constantFrom(Access.READ, Access.WRITE),
    privilege: fc.constantFrom(Privilege.USER, Privilege.UACCESS),
  }),
  fc.record({ op: fc.constant("vmalloc" as const), pages }),
  fc.record({ op: fc.constant("vfree" as const), which }),
  fc.record({
    op: fc.constant("setMemory" as const),
    which,
    how: fc.constantFrom("Ro" as const, "Rw" as const, "Nx" as const, "X" as const),
  }),
  fc.record({
    op: fc.constant("setPage" as const),
    which,
    how: fc.constantFrom("invalid" as const, "default" as const, "keyed" as const, "unkeyed" as const),
  }),
  anywhere,
);

const enclosing = fc.constantFrom("lazy" as const, "pause" as const, "context" as const);

/** Any sequence of operations. */
export const { sequence, task } = fc.letrec<{
  inInterrupt: InterruptOp;
  section: SectionOp;
  task: Op;
  sequence: readonly Op[];
}>((tie) => {
  const some = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(item, { maxLength: 3 });
  const nesting = { depthIdentifier: "ops", depthSize: "max", maxDepth: 8, withCrossShrink: true } as const;
  const interrupt = fc.record({
    op: fc.constant("interrupt" as const),
    handler: some(tie("inInterrupt")),
    irqExit: some(tie("task")),
  });
  return {
    inInterrupt: fc.oneof(
      nesting,
      anywhere,
      fc.record({ op: fc.oneof(enclosing, fc.constant("nested" as const)), body: some(tie("inInterrupt")) }),
    ),
    section: fc.oneof(
      nesting,
      { weight: 3, arbitrary: simple },
      { weight: 2, arbitrary: fc.record({ op: enclosing, body: some(tie("section")) }) },
      { weight: 2, arbitrary: interrupt },
    ),
    task: fc.oneof(
      nesting,
      { weight: 2, arbitrary: tie("section") },
      {
        weight: 1,
        arbitrary: fc.record({ op: fc.constantFrom("fork" as const, "exec" as const, "kthread" as const) }),
      },
      { weight: 1, arbitrary: fc.record({ op: fc.constant("exit" as const), which }) },
      { weight: 2, arbitrary: fc.record({ op: fc.constant("switch" as const), which, cpu: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ op: fc.constant("suspend" as const), cpu: fc.nat(3) }) },
    ),
    sequence: fc.array(tie("task"), { maxLength: 25, size: "max" }),
  };
});

/** Operations that allocate memory, and those that make them allocate more. */
const taking: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ op: fc.constantFrom("fork" as const, "exec" as const) }),
  fc.record({ op: fc.constant("vmalloc" as const), pages }),
  fc.record({ op: fc.constant("mremap" as const), page, to: page, pages }),
  fc.record({ op: fc.constant("madvise" as const), page, pages, advice: fc.constantFrom(23, 102) }),
  fc.record({
    op: fc.constant("mmap" as const),
    page,
    pages,
    prot: fc.constant(3),
    flags: fc.constant(MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE),
  }),
);

const some = (op: fc.Arbitrary<Op>): fc.Arbitrary<Op[]> => fc.array(op, { minLength: 5, maxLength: 25, size: "max" });

/** A sequence in which memory gets short: few pages are left, a different number after some operations. */
export const shortOfMemory: fc.Arbitrary<readonly Op[]> = fc
  .tuple(
    some(fc.oneof(taking, task)),
    fc.array(fc.tuple(fc.nat(6), some(fc.oneof(taking, task))), { minLength: 1, maxLength: 4 }),
  )
  .map(([before, parts]) => [...before, ...parts.flatMap(([left, ops]): Op[] => [{ op: "hog", left }, ...ops])]);
