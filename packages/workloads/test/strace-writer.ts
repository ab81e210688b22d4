import fc from "fast-check";

/** An expected event: name without subsystem, thread, arguments. */
export type Expected = readonly [event: string, tid: number, args: readonly bigint[]];

/** A call as strace prints it, with its events. */
export interface WrittenCall {
  readonly name: string;
  readonly args: string;
  readonly result: string;
  /** The events of its entry and its exit; none for calls that are not read. */
  readonly events: readonly (readonly [string, readonly bigint[]])[];
}

const word = (value: bigint): bigint => BigInt.asUintN(64, value);
const hex = (value: bigint): string => (value === 0n ? "NULL" : `0x${value.toString(16)}`);

const page = fc.bigInt({ min: 0n, max: (1n << 35n) - 1n }).map((number) => number << 12n);
const size = fc.bigInt({ min: 0n, max: 1n << 63n });

/** Bits by their names in include/uapi, joined like strace does. Unnamed bits are a number; alone it has a comment. */
function bits(
  prefix: string,
  names: Readonly<Record<string, bigint>>,
  zero: string,
  unknown: bigint,
): fc.Arbitrary<readonly [string, bigint]> {
  return fc.tuple(fc.subarray(Object.keys(names)), fc.boolean()).map(([chosen, withUnknown]) => {
    const rest = withUnknown && unknown !== 0n ? [`0x${unknown.toString(16)}`] : [];
    const value = chosen.reduce((sum, name) => sum | names[name]!, rest.length > 0 ? unknown : 0n);
    if (chosen.length === 0) return [rest.length > 0 ? `${rest[0]!} /* ${prefix}_??? */` : zero, value] as const;
    return [[...chosen.map((name) => `${prefix}_${name}`), ...rest].join("|"), value] as const;
  });
}

const prot = bits("PROT", { READ: 1n, WRITE: 2n, EXEC: 4n, GROWSDOWN: 0x1000000n }, "PROT_NONE", 0x10000000n);
const mapType = fc.constantFrom<readonly [string, bigint]>(["MAP_SHARED", 1n], ["MAP_PRIVATE", 2n]);
const mapBits = bits(
  "MAP",
  {
    FIXED: 0x10n,
    ANONYMOUS: 0x20n,
    DENYWRITE: 0x800n,
    LOCKED: 0x2000n,
    NORESERVE: 0x4000n,
    POPULATE: 0x8000n,
    STACK: 0x20000n,
  },
  "MAP_FILE",
  0x200n,
);
const huge = fc.constantFrom<readonly [string, bigint]>(
  ["", 0n],
  ["|MAP_HUGETLB|21<<MAP_HUGE_SHIFT", 0x40000n | (21n << 26n)],
);
const mapFlags = fc
  .tuple(mapType, mapBits, huge)
  .map(
    ([[type, a], [names, b], [size, c]]) =>
      [`${type}${b === 0n ? "" : `|${names.replace(/ .*/, "")}`}${size}`, a | b | c] as const,
  );
const file = fc.constantFrom<readonly [string, bigint]>(
  ["-1", -1n],
  ["3", 3n],
  ["3</tmp/a,b=c (x)>", 3n],
  ["12<pipe:[7]>", 12n],
);
const advice = fc.constantFrom<readonly [string, bigint]>(
  ["MADV_DONTNEED", 4n],
  ["MADV_FREE", 8n],
  ["MADV_HUGEPAGE", 14n],
  ["MADV_GUARD_INSTALL", 102n],
  ["0xc8 /* MADV_??? */", 200n],
);

/** A result: an address or 0, or an error. */
const outcome = (good: fc.Arbitrary<readonly [string, bigint]>): fc.Arbitrary<readonly [string, bigint]> =>
  fc.oneof(
    { arbitrary: good, weight: 4 },
    {
      arbitrary: fc.constantFrom<readonly [string, bigint]>(
        ["-1 ENOMEM (Cannot allocate memory)", -12n],
        ["-1 EINVAL (Invalid argument)", -22n],
        ["-1 ENOSYS (Function not implemented) (INJECTED)", -38n],
        ["-1 (errno 512)", -512n],
      ),
      weight: 1,
    },
  );
const address = outcome(page.map((value) => [`0x${value.toString(16)}`, value] as const));
const zero = outcome(fc.constant(["0", 0n] as const));

function call(
  name: string,
  kind: string,
  args: readonly (readonly [string, bigint])[],
  result: readonly [string, bigint],
  kept = args.length,
): WrittenCall {
  return {
    name,
    args: args.map(([text]) => text).join(", "),
    result: result[0],
    events: [
      [`sys_enter_${kind}`, args.slice(0, kept).map(([, value]) => word(value))],
      [`sys_exit_${kind}`, [word(result[1])]],
    ],
  };
}

const at = (value: bigint): readonly [string, bigint] => [hex(value), value];
const count = (value: bigint): readonly [string, bigint] => [value.toString(), value];

/** A call that changes mappings. */
export const mappingCall: fc.Arbitrary<WrittenCall> = fc.oneof(
  fc
    .tuple(fc.constantFrom("mmap", "mmap2", "old_mmap"), page, size, prot, mapFlags, file, page, address)
    .map(([name, start, length, bits, flags, fd, offset, result]) =>
      call(name, "mmap", [at(start), count(length), bits, flags, fd, [`0x${offset.toString(16)}`, offset]], result),
    ),
  fc
    .tuple(page, size, zero)
    .map(([start, length, result]) => call("munmap", "munmap", [at(start), count(length)], result)),
  fc
    .tuple(page, size, prot, zero)
    .map(([start, length, bits, result]) => call("mprotect", "mprotect", [at(start), count(length), bits], result)),
  fc
    .tuple(page, size, prot, zero)
    .map(([start, length, bits, result]) =>
      call("pkey_mprotect", "mprotect", [at(start), count(length), bits, ["-1", -1n]], result, 3),
    ),
  fc.tuple(page, size, size, address).map(([start, old, length, result]) => {
    const moved = call("mremap", "mremap", [at(start), count(old), count(length), ["MREMAP_MAYMOVE", 1n]], result);
    const [[enter, args], exit] = moved.events as [[string, bigint[]], [string, bigint[]]];
    return { ...moved, events: [[enter, [...args, 0n]] as const, exit] };
  }),
  fc
    .tuple(page, size, page, address)
    .map(([start, length, to, result]) =>
      call(
        "mremap",
        "mremap",
        [at(start), count(length), count(length), ["MREMAP_MAYMOVE|MREMAP_FIXED", 3n], at(to)],
        result,
      ),
    ),
  fc.tuple(page, address).map(([end, result]) => call("brk", "brk", [at(end)], result)),
  fc
    .tuple(page, size, advice, zero)
    .map(([start, length, what, result]) => call("madvise", "madvise", [at(start), count(length), what], result)),
  fc
    .tuple(page, size, zero)
    .map(([start, length, result]) => call("mlock", "mlock", [at(start), count(length)], result)),
  fc
    .tuple(page, size, zero)
    .map(([start, length, result]) => call("mlock2", "mlock2", [at(start), count(length), ["0", 0n]], result)),
  fc
    .tuple(page, size, zero)
    .map(([start, length, result]) => call("munlock", "munlock", [at(start), count(length)], result)),
  zero.map((result) => call("mlockall", "mlockall", [["MCL_CURRENT|MCL_FUTURE", 3n]], result)),
  zero.map((result) => call("munlockall", "munlockall", [], result)),
  fc
    .tuple(page, address)
    .map(([start, result]) => call("shmat", "shmat", [["7", 7n], at(start), ["SHM_RDONLY", 0o10000n]], result)),
  fc.tuple(page, zero).map(([start, result]) => call("shmdt", "shmdt", [at(start)], result)),
  fc
    .tuple(page, size, zero)
    .map(([start, length, result]) =>
      call(
        "remap_file_pages",
        "remap_file_pages",
        [at(start), count(length), ["PROT_NONE", 0n], ["1", 1n], ["MAP_FILE", 0n]],
        result,
      ),
    ),
);

/** A call that is not read. */
export const otherCall: fc.Arbitrary<WrittenCall> = fc.constantFrom(
  { name: "write", args: '2, "a) = 5, \\"b", 11', result: "11", events: [] },
  { name: "openat", args: 'AT_FDCWD</tmp/k=v>, "x", O_RDONLY', result: "3</tmp/k=v>", events: [] },
  { name: "constructor", args: "", result: "0", events: [] },
  { name: "__proto__", args: "0x1", result: "0", events: [] },
  {
    name: "futex",
    args: "0x7f0000000010, FUTEX_WAIT, 2, NULL",
    result: "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    events: [],
  },
);

/** The text around a call. */
export interface Form {
  readonly prefix: (tid: number) => string;
  /** The time of the n-th line. */
  readonly time: (n: number) => string;
  readonly number: string;
  readonly trailer: string;
}

const COMMS = ["sh", "CPU 0/KVM", "a] b", "x> y", "1700000000.000001", "brk", "", "\\76\\303\\244", "(sd-pam)"];
const micros = (n: number): string => n.toString().padStart(6, "0");

/** The forms of `strace -f` with different options. */
export const form: fc.Arbitrary<Form> = fc.record({
  prefix: fc.oneof(
    fc.constant((tid: number) => `${tid.toString().padEnd(5)} `),
    fc.constant((tid: number) => `[pid ${tid.toString().padStart(5)}] `),
    fc.constantFrom(...COMMS).map((comm) => (tid: number) => `${tid}<${comm}> `),
    fc.constantFrom(...COMMS).map((comm) => (tid: number) => `[pid ${tid.toString().padStart(5)}<${comm}>] `),
    fc.constant((tid: number) => `${tid} /* ${tid} in strace's PID NS */ `),
  ),
  time: fc.constantFrom(
    () => "",
    (n: number) => `1700000000.${micros(n)} `,
    (n: number) => `1700000000.${micros(n)}000 `,
    () => "1700000000 ",
    () => "12:00:00 ",
    (n: number) => `12:00:00.${micros(n)} `,
    (n: number) => `     0.${micros(n)} `,
    (n: number) => `12:00:00.${micros(n)} (+     0.000123) `,
  ),
  number: fc.constantFrom("", "[  12] ", "[00007f55d1e57c47] ", "[   9] [????????????????] "),
  trailer: fc.constantFrom("", " <0.000012>"),
});

/** A step of a thread: a call (on two lines if `split`), a fork, a signal or an exit. */
export interface Step {
  readonly kind: "call" | "fork" | "signal" | "exit";
  /** Index of a live thread, modulo their number. */
  readonly thread: number;
  readonly call: WrittenCall;
  readonly split: boolean;
  readonly sharesProcess: boolean;
}

export const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(
    "call" as const,
    "call" as const,
    "call" as const,
    "call" as const,
    "fork" as const,
    "signal" as const,
    "exit" as const,
  ),
  thread: fc.nat(),
  call: fc.oneof({ arbitrary: mappingCall, weight: 3 }, { arbitrary: otherCall, weight: 1 }),
  split: fc.boolean(),
  sharesProcess: fc.boolean(),
});

/** A text of strace with its expected events. */
export interface Written {
  readonly lines: readonly string[];
  readonly events: readonly Expected[];
  /** Number of lines without an event. */
  readonly unused: number;
}

const FLAGS = { thread: "CLONE_VM|CLONE_FS|CLONE_THREAD", process: "CLONE_CHILD_CLEARTID|SIGCHLD" };
const FLAG_BITS = { thread: 0x10300n, process: 0x200011n };

/** Writes the steps of threads in a form. At most one thread is in clone at a time. */
export function write(steps: readonly Step[], { prefix, time, number, trailer }: Form): Written {
  const lines: string[] = [];
  const events: Expected[] = [];
  let unused = 0;
  const alive = [1000];
  /** The unfinished call of each thread. */
  const open = new Map<number, { end: () => void; spoiled: () => void }>();
  let next = 1001;
  /** The child without a line so far. */
  let unseen: { readonly child: number; announce: () => void } | undefined;

  function line(tid: number, text: string): boolean {
    const first = unseen?.child === tid;
    if (first) {
      unseen!.announce();
      unseen = undefined;
    }
    lines.push(`${prefix(tid)}${time(lines.length)}${number}${text}`);
    return first;
  }

  /** Writes a call, or its first line. @param happened - adds its events and returns whether it has any @param begun - whether it had events before its end */
  function put(
    tid: number,
    { name, args, result }: Omit<WrittenCall, "events">,
    split: boolean,
    happened: () => boolean,
    begun: () => boolean = () => false,
  ): void {
    if (!split) {
      const first = line(tid, `${name}(${args}) = ${result}${trailer}`);
      if (!happened() && !first) unused++;
      return;
    }
    // Arguments that the kernel fills in are printed at the end of the call; those of clone are not.
    const comma = name === "clone" || name.length % 2 === 0 ? -1 : args.indexOf(", ");
    const at = comma < 0 ? args.length : comma + 2;
    const firstLine = line(tid, `${name}(${args.slice(0, at)} <unfinished ...>`);
    open.set(tid, {
      end() {
        open.delete(tid);
        const first = line(tid, `<... ${name} resumed>${args.slice(at)})     = ${result}${trailer}`);
        if (happened()) return;
        if (!firstLine) unused++;
        if (!first) unused++;
      },
      spoiled() {
        open.delete(tid);
        if (!firstLine && !begun()) unused++;
      },
    });
  }

  function fork(tid: number, split: boolean, sharesProcess: boolean): void {
    const child = next++;
    const how = sharesProcess ? "thread" : "process";
    let announced = false;
    const announce = (): void => {
      announced = true;
      events.push(
        ["sys_enter_clone", tid, [FLAG_BITS[how], 0n, 0n, 0n, 0n]],
        ["sched_process_fork", tid, [BigInt(tid), BigInt(child)]],
      );
    };
    const args = `child_stack=NULL, flags=${FLAGS[how]}`;
    unseen = split ? { child, announce } : undefined;
    if (split) alive.push(child);
    put(
      tid,
      { name: "clone", args, result: child.toString() },
      split,
      () => {
        if (!announced) announce();
        if (unseen?.child === child) unseen = undefined;
        events.push(["sys_exit_clone", tid, [BigInt(child)]]);
        return true;
      },
      () => announced,
    );
    if (!split) alive.push(child);
  }

  for (const { kind, thread, call, split, sharesProcess } of steps) {
    if (alive.length === 0) break;
    const tid = alive[thread % alive.length]!;
    if (kind !== "exit") open.get(tid)?.end();
    if (kind === "call") {
      put(tid, call, split, () => {
        for (const [event, args] of call.events) events.push([event, tid, args]);
        return call.events.length > 0;
      });
    } else if (kind === "signal") {
      if (!line(tid, "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---")) unused++;
    } else if (kind === "fork") {
      if (unseen === undefined) fork(tid, split, sharesProcess);
    } else if (unseen === undefined) {
      line(tid, "+++ exited with 0 +++");
      open.get(tid)?.spoiled();
      events.push(["sched_process_exit", tid, [BigInt(tid), word(-1n)]]);
      alive.splice(alive.indexOf(tid), 1);
    }
  }
  for (const { spoiled } of [...open.values()]) spoiled();
  return { lines, events, unused };
}
