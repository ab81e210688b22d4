import type { ExplainVerdict } from "@kpkeys/explain";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arm64, explainLog, readLog, textOf, x86 } from "./explainers.js";

// Texts have the form that arch/arm64/mm/fault.c (mem_abort_decode, show_pte) and arch/x86/mm/fault.c (show_fault_oops,
// dump_pagetable) of Linux 4.19 to 7.3 print; the values are made up.

/** The expected explanation of a log. */
interface Case {
  readonly log: string;
  readonly flags?: Readonly<Record<string, string>>;
  readonly verdict: Partial<ExplainVerdict>;
  readonly levels?: string;
  /** The expected walk. */
  readonly walk?: RegExp;
  readonly used?: readonly number[];
}

const CASES: Readonly<Record<string, Case>> = {
  "arm64, a block of 2 MiB without execution": {
    log: `[    6.568889] Unable to handle kernel execute from non-executable memory at virtual address ffffa00000203ba0
[    6.570089] Mem abort info:
[    6.570090]   ESR = 0x000000008600000e
[    6.570091]   EC = 0x21: IABT (current EL), IL = 32 bits
[    6.570093]   SET = 0, FnV = 0
[    6.570094]   EA = 0, S1PTW = 0
[    6.570095]   FSC = 0x0e: level 2 permission fault
[    6.570096] swapper pgtable: 4k pages, 48-bit VAs, pgdp=00000000f7e38000
[    6.570097] [ffffa00000203ba0] pgd=10000000fffff003, p4d=10000000fffff003, pud=10000000ffffe003, pmd=00680000f8e00f01
[    6.570102] Internal error: Oops: 000000008600000e [#1] SMP`,
    verdict: { result: "fault", decidedBy: "base", agrees: true },
    levels: "pgd pud pmd pte",
    used: [1, 3, 8, 9],
  },
  "x86, a key of the supervisor": {
    log: `[   12.100000] BUG: unable to handle page fault for address: ffff888100001000
[   12.100001] #PF: supervisor write access in kernel mode
[   12.100002] #PF: error_code(0x0023) - protection keys violation
[   12.100003] PGD 5a01067 P4D 5a01067 PUD 5a02063 PMD 5a03063 PTE 8800000100001163
[   12.100004] Oops: Oops: 0023 [#1] SMP
[   12.100005] CR2: ffff888100001000 CR3: 0000000005a00000 CR4: 0000000001770ef0
[   12.100006] PKRU: 55555554`,
    verdict: { decidedBy: "key", agrees: true },
    levels: "pgd pud pmd pte",
    used: [1, 3, 4, 6, 7],
  },
  "arm64, 39-bit addresses: three levels, the others are folded": {
    log: `Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
Mem abort info:
  ESR = 0x0000000096000045
  FSC = 0x05: level 1 translation fault
user pgtable: 4k pages, 39-bit VAs, pgdp=0000000041b3e000
[0000000000000000] pgd=0000000000000000, p4d=0000000000000000, pud=0000000000000000`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd pmd pte",
  },
  "arm64, a kernel for 52 bits on a CPU of 48: the pgd level is folded, and printed as 0": {
    log: `Unable to handle kernel execute from non-executable memory at virtual address ffff000000abd400
  ESR = 0x000000008600000f
swapper pgtable: 4k pages, 48-bit VAs, pgdp=000000017cb63000
[ffff000000abd400] pgd=0000000000000000, p4d=1800000f540ff403, pud=1800000f53ebc403, pmd=1800000f53eb6403, pte=0068000100abdf07`,
    verdict: { decidedBy: "base", agrees: true },
    levels: "pgd pud pmd pte",
  },
  "x86, five levels, and a violation of the RMP": {
    log: `BUG: unable to handle page fault for address: ff11000123456000
#PF: supervisor write access in kernel mode
#PF: error_code(0x80000003) - RMP violation
PGD 5a01067 P4D 5a02067 PUD 5a03063 PMD 5a04063 PTE 8000000123456163
Oops: Oops: 0003 [#1] SMP NOPTI`,
    verdict: { kind: "not-tables", decidedBy: "other", agrees: true },
    levels: "pgd p4d pud pmd pte",
    used: [1, 3, 4],
  },
  "x86 before 5.1, in syslog": {
    log: `Nov 30 12:00:00 host kernel: BUG: unable to handle kernel paging request at ffffc90000000000
Nov 30 12:00:00 host kernel: IP: foo+0x10/0x20 [bar]
Nov 30 12:00:00 host kernel: PGD 13a5067 P4D 13a5067 PUD 0 
Nov 30 12:00:00 host kernel: Oops: 0002 [#1] SMP PTI`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd pud pmd pte",
    used: [1, 3, 4],
  },
  "x86 before 5.1, an address of 0 as %p printed it": {
    log: `BUG: unable to handle kernel NULL pointer dereference at           (null)
PGD 0 P4D 0 
Oops: 0000 [#1] SMP PTI
RSP: 0018:ffffc90000123c98 EFLAGS: 00010246
CR2: 0000000000000000 CR3: 000000012a5a0000 CR4: 00000000003606e0`,
    verdict: { decidedBy: "translation", agrees: true },
    used: [1, 2, 3, 4, 5].slice(1),
  },
  "x86, a table that the kernel cannot read below an impossible entry": {
    log: `BUG: unable to handle page fault for address: ff1100012345a000
#PF: error_code(0x0009) - reserved bit violation
PGD 5a01067 P4D 5a02067 PUD 8007fffc5a03063 BAD
Oops: 0009 [#1] SMP`,
    verdict: { decidedBy: "reserved", agrees: true },
    levels: "pgd p4d pud pmd pte",
  },
  "x86, a general protection fault: the address is not canonical, no entry is needed": {
    log: `Oops: general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1] PREEMPT SMP NOPTI
CR2: 00007f0000000000 CR3: 0000000105a00000 CR4: 0000000000750ef0`,
    verdict: { decidedBy: "address-size", agrees: true },
  },
  "x86, a user fault, completed by the entry": {
    log: "a.out[4242]: segfault at 2061775c8178 ip 000055d0c0a01139 sp 00007ffd12345678 error 25 in a.out[55d0c0a01000+1000]",
    flags: { pkru: "55555554", pte: "0800000123456067" },
    verdict: { decidedBy: "key", agrees: true },
  },
  "arm64, 64 KiB pages and 48 bits": {
    log: `Unable to handle kernel paging request at virtual address ffff800008123456
  ESR = 0x0000000096000007
swapper pgtable: 64k pages, 48-bit VAs, pgdp=0000000041b30000
[ffff800008123456] pgd=100000087ffe0003, p4d=100000087ffe0003, pud=100000087ffe0003, pmd=100000087ffd0003, pte=0000000000000000`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd pmd pte",
  },
  "arm64, 64 KiB pages and 42 bits: two levels": {
    log: `Unable to handle kernel paging request at virtual address fffffe0008123456
  ESR = 0x0000000096000007
swapper pgtable: 64k pages, 42-bit VAs, pgdp=0000000041b30000
[fffffe0008123456] pgd=100000087ffe0003, p4d=100000087ffe0003, pud=100000087ffe0003, pmd=100000087ffe0003, pte=0000000000000000`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd pte",
  },
  "arm64, 64 KiB pages and 52 bits, below 48 bits of memory": {
    log: `Unable to handle kernel write to read-only memory at virtual address fff0000008120000
  ESR = 0x000000009600004f
swapper pgtable: 64k pages, 52-bit VAs, pgdp=0000000041b30000
[fff0000008120000] pgd=180000087ffe0003, p4d=180000087ffe0003, pud=180000087ffe0003, pmd=180000087ffd0003, pte=0060000041210783`,
    verdict: { decidedBy: "base", agrees: true },
    levels: "pgd pmd pte",
  },
  "arm64, 16 KiB pages and 48 bits: the top table has two entries": {
    log: `Unable to handle kernel paging request at virtual address ffff800008123456
  ESR = 0x0000000096000006
swapper pgtable: 16k pages, 48-bit VAs, pgdp=0000000041b30000
[ffff800008123456] pgd=100000087ffe4003, p4d=100000087ffe4003, pud=100000087ffd8003, pmd=0000000000000000`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd pud pmd pte",
  },
  "arm64, FEAT_LPA2: five levels, and a page above 1 PiB whose address is in the bits of SH": {
    log: `Unable to handle kernel write to read-only memory at virtual address fff0000081234000
Mem abort info:
  ESR = 0x000000009600004f
  EC = 0x25: DABT (current EL), IL = 32 bits
  SET = 0, FnV = 0
  EA = 0, S1PTW = 0
  FSC = 0x0f: level 3 permission fault
Data abort info:
  ISV = 0, ISS = 0x0000004f, ISS2 = 0x00000000
  CM = 0, WnR = 1, TnD = 0, TagAccess = 0
  GCS = 0, Overlay = 0, DirtyBit = 0, Xs = 0
swapper pgtable: 4k pages, 52-bit VAs, pgdp=0000000042a11000
[fff0000081234000] pgd=180000087fff6403, p4d=180000087fff5403, pud=180000087fff4403, pmd=180000087fbf3403, pte=0060000081234587
Internal error: Oops: 000000009600004f [#1]  SMP`,
    verdict: { decidedBy: "base", agrees: true },
    levels: "pgd p4d pud pmd pte",
    walk: /pte\[\d+\] 0x60000081234587: page at 0x4000081234000, /,
  },
  "arm64, FEAT_LPA2: nothing at level -1": {
    log: `Unable to handle kernel paging request at virtual address fff8000000001000
  ESR = 0x000000009600002b
  FSC = 0x2b: level -1 translation fault
swapper pgtable: 4k pages, 52-bit VAs, pgdp=0000000042a11000
[fff8000000001000] pgd=0000000000000000`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd p4d pud pmd pte",
  },
  "arm64, FEAT_LPA2: an address that the CPU does not have, at level -1": {
    log: `Unable to handle kernel level -1 address size fault at virtual address ffff80008123a010
  ESR = 0x0000000096000029
  FSC = 0x29: level -1 address size fault
swapper pgtable: 4k pages, 52-bit VAs, pgdp=0000000042a11000
[ffff80008123a010] pgd=100300087fff6403, p4d=180000087fff5403, pud=180000087fff4403, pmd=180000087fbf3403, pte=0068000081234407`,
    verdict: { decidedBy: "address-size", agrees: true },
    levels: "pgd p4d pud pmd pte",
  },
  "arm64, 16 KiB pages and 52 bits: four levels": {
    log: `Unable to handle kernel access to user memory outside uaccess routines at virtual address 0000aaaadc4d8000
  ESR = 0x000000009600000f
  FSC = 0x0f: level 3 permission fault
user pgtable: 16k pages, 52-bit VAs, pgdp=000000004a7e8080
[0000aaaadc4d8000] pgd=080000004b1d0403, p4d=080000004b1d0403, pud=080000004b1cc403, pmd=080000004b1c8403, pte=00a000005e3b0cc3`,
    verdict: { decidedBy: "base", agrees: true },
    levels: "pgd pud pmd pte",
  },
  "arm64, 16 KiB pages, a kernel for 52 bits on a CPU of 47: two levels are folded, and printed as 0": {
    log: `Unable to handle kernel paging request at virtual address ffffc00081234008
  ESR = 0x0000000096000007
  FSC = 0x07: level 3 translation fault
swapper pgtable: 16k pages, 47-bit VAs, pgdp=0000000042a10000
[ffffc00081234008] pgd=0000000000000000, p4d=0000000000000000, pud=100000087fff4403, pmd=100000087fbf0403, pte=0000000000000000`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd pmd pte",
  },
  "arm64, 16 KiB pages and 36 bits: two levels": {
    log: `Unable to handle kernel NULL pointer dereference at virtual address 0000000000000040
  ESR = 0x0000000096000006
  FSC = 0x06: level 2 translation fault
user pgtable: 16k pages, 36-bit VAs, pgdp=0000000105dc0000
[0000000000000040] pgd=0000000000000000, p4d=0000000000000000, pud=0000000000000000, pmd=0000000000000000`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd pte",
  },
  "arm64, 64 KiB pages and 52-bit physical addresses: bits 51 to 48 are below the page": {
    log: `Unable to handle kernel write to read-only memory at virtual address ffff800008120000
  ESR = 0x000000009600004f
swapper pgtable: 64k pages, 48-bit VAs, pgdp=0000000041b30000
[ffff800008120000] pgd=180000087ffe2003, p4d=180000087ffe2003, pud=180000087ffe2003, pmd=180000087ffd2003, pte=0060000041215783`,
    verdict: { decidedBy: "base", agrees: true },
    levels: "pgd pmd pte",
    walk: /pmd\[\d+\] 0x180000087ffd2003: table at 0x200087ffd0000, [\s\S]*: page at 0x5000041210000, /,
  },
  "arm64, 39-bit addresses: a user's key": {
    log: "app[811]: unhandled exception: DABT (lower EL), ESR 0x000000409200004f, level 3 permission fault in app[5581c00000+1000]",
    flags: {
      far: "7f9a1c5000",
      "va-bits": "39",
      "page-size": "4k",
      pgd: "0800000105e42403",
      pmd: "0800000105e43403",
      pte: "20e8000107f21f43",
      "por-el0": "17",
    },
    verdict: { decidedBy: "key", agrees: true },
    levels: "pgd pmd pte",
  },
  "x86, five levels: a user address above 47 bits that is not mapped": {
    log: `BUG: unable to handle page fault for address: 00fe000012345008
#PF: supervisor read access in kernel mode
#PF: error_code(0x0000) - not-present page
PGD 80000001034b6067 P4D 1034b5067 PUD 0
Oops: Oops: 0000 [#1] SMP PTI
CR2: 00fe000012345008 CR3: 00000001034b4005 CR4: 0000000000771ef0`,
    verdict: { decidedBy: "translation", agrees: true },
    levels: "pgd p4d pud pmd pte",
  },
  "x86, five levels: a key of the supervisor in the direct map": {
    log: `BUG: unable to handle page fault for address: ff11000100001000
#PF: supervisor write access in kernel mode
#PF: error_code(0x0023) - protection keys violation
PGD 5a01067 P4D 5a02067 PUD 5a03063 PMD 5a04063 PTE 8800000100001163
Oops: Oops: 0023 [#1] SMP NOPTI
CR2: ff11000100001000 CR3: 0000000005a00000 CR4: 0000000001771ef0`,
    verdict: { decidedBy: "key", agrees: true },
    levels: "pgd p4d pud pmd pte",
  },
  "arm64 before 4.20": {
    log: `Unable to handle kernel paging request at virtual address ffffff8008e10000
Mem abort info:
  ESR = 0x9600004f
swapper pgtable: 4k pages, 39-bit VAs, pgdp = 0000000012345678
[ffffff8008e10000] *pgd=10000000bfff8003, *pud=10000000bfff8003, *pmd=10000000bfff7003, *pte=0060000041210783
Internal error: Oops: 9600004f [#1] PREEMPT SMP
pstate: 60400005 (nZCv daif +PAN -UAO)`,
    verdict: { decidedBy: "base", agrees: true },
    levels: "pgd pmd pte",
    used: [1, 3, 4, 5, 7],
  },
  "arm64, user memory outside uaccess routines": {
    log: `Unable to handle kernel access to user memory outside uaccess routines at virtual address 0000aaaac0de0000
  ESR = 0x9600004f
user pgtable: 4k pages, 48-bit VAs, pgdp=0000000104e2f000
[0000aaaac0de0000] pgd=0800000104e30003, p4d=0800000104e30003, pud=0800000104e31003, pmd=0800000104e32003, pte=00e8000104e33fc3`,
    verdict: { decidedBy: "base", agrees: true },
  },
  "arm64, an address between the halves: nothing is walked": {
    log: `Unable to handle kernel paging request at virtual address dead000000000108
  ESR = 0x96000044
[dead000000000108] address between user and kernel address ranges
Internal error: Oops: 96000044 [#1] SMP`,
    verdict: { decidedBy: "translation", agrees: true },
  },
  "arm64, an external abort, of which no address is printed": {
    log: "[   1.0] Internal error: synchronous external abort: 0000000096000210 [#1] SMP",
    verdict: { kind: "not-tables", agrees: true },
  },
  "arm64 before 5.10, an alignment fault": {
    log: `Unhandled fault: alignment fault (0x96000021) at 0xffff800008000001
swapper pgtable: 4k pages, 48-bit VAs, pgdp=0000000041b30000`,
    verdict: { kind: "not-tables", agrees: true },
  },
  "arm64, a tag of KASAN in a kernel pointer, as Android prints it": {
    log: `<1>[ 1.0]  (1)[123:comm]Unable to handle kernel write to read-only memory at virtual address f5ffff8001234560
<1>[ 1.0]  (1)[123:comm]  ESR = 0x9600004f
<1>[ 1.0]  (1)[123:comm]swapper pgtable: 4k pages, 39-bit VAs, pgdp=0000000041b3e000
<1>[ 1.0]  (1)[123:comm][f5ffff8001234560] pgd=10000000bfff8003, p4d=10000000bfff8003, pud=10000000bfff8003, pmd=10000000bfff7003, pte=0060000041210783`,
    verdict: { decidedBy: "base", agrees: true },
  },
  "arm64 with CONFIG_ARM64_MTE, generic KASAN's shadow: the entries are not printed": {
    log: `Unable to handle kernel paging request at virtual address dfff800000000003
KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]
  ESR = 0x0000000096000005
  FSC = 0x05: level 1 translation fault
[dfff800000000003] address between user and kernel address ranges
Internal error: Oops: 0000000096000005 [#1] PREEMPT SMP`,
    verdict: { kind: "tables", decidedBy: "translation", agrees: true },
  },
  "arm64, the access flag is a matter of software": {
    log: `Unable to handle kernel paging request at virtual address ffff800010001000
  ESR = 0x9600000b
swapper pgtable: 4k pages, 48-bit VAs, pgdp=0000000081e5d000
[ffff800010001000] pgd=00000000bfff8003, p4d=00000000bfff8003, pud=00000000bfff7003, pmd=00000000bfff6003, pte=0068000012345303`,
    verdict: { decidedBy: "access-flag", agrees: true },
  },
  "arm64 without indirect permissions, a clean writable page": {
    log: `Unable to handle kernel write to read-only memory at virtual address ffff800010001000
  ESR = 0x000000009600004f
swapper pgtable: 4k pages, 48-bit VAs, pgdp=0000000081e5d000
[ffff800010001000] pgd=10000000bfff8003, p4d=10000000bfff8003, pud=10000000bfff7003, pmd=10000000bfff6003, pte=0068000012345783`,
    verdict: { decidedBy: "base", agrees: true },
  },
  "arm64, a user fault since 5.10, of which no address is printed": {
    log: "a.out[1234]: unhandled exception: DABT (lower EL), ESR 0x0000000092000046, level 2 translation fault in a.out[400000+1000]",
    verdict: { decidedBy: "translation", agrees: true },
  },
  "x86, a user fault of a page that is not mapped": {
    log: `a.out[4242]: segfault at 0 ip 000055d0c0a01139 sp 00007ffd12345678 error 4 in a.out[55d0c0a01000+1000] likely on CPU 3 (core 3, socket 0)
Code: 48 89 e5 b8 00 00 00 00 <8b> 00 5d c3`,
    verdict: { kind: "tables", decidedBy: "translation", agrees: true },
  },
  "x86, a user fault of a key": {
    log: "a.out[4242]: segfault at 7f1234567000 ip 000055d0c0a01139 sp 00007ffd12345678 error 27 in a.out[55d0c0a01000+1000]",
    verdict: { decidedBy: "key", agrees: true },
  },
  "x86, a table entry of a process that is corrupt": {
    log: `a.out: Corrupted page table at address 7f1234567000
PGD 8000000105a01067 P4D 8000000105a01067 PUD 105a02067 PMD 105a03067 PTE 800fffff05a04867
Bad pagetable: 000d [#1] SMP PTI
CR2: 00007f1234567000 CR3: 000000012a5a0000 CR4: 0000000000370ef0`,
    verdict: { decidedBy: "reserved", agrees: true },
    used: [1, 2, 3, 4],
  },
  "x86, a guest of SEV: a bit of the address marks encrypted pages": {
    log: `BUG: unable to handle page fault for address: ffffc90000100000
#PF: error_code(0x0000) - not-present page
PGD 8000100000067 P4D 8000100000067 PUD 80001001fd067 PMD 8000100a54067 PTE 0`,
    verdict: { decidedBy: "translation", agrees: true },
  },
};

function expectRefusal(log: string, code: string, message: string): void {
  const refusal = expect.objectContaining({ code, message: expect.stringContaining(message) as string }) as Error;
  expect(() => readLog(log)).toThrow(refusal);
}

describe("a kernel log is explained", () => {
  test.each(Object.entries(CASES))("%s", (_, { log, flags, verdict, levels, walk, used }) => {
    const explained = explainLog(log, flags);
    expect(explained.verdict).toMatchObject(verdict);
    if (levels !== undefined) expect(explained.geometry?.levels.join(" ")).toBe(levels);
    if (walk !== undefined) expect(textOf(explained, "walk")).toMatch(walk);
    if (used === undefined) return;
    const lines = new Set(Object.values(readLog(log).inputs).map(({ line }) => line));
    expect([...lines].sort((a, b) => a - b)).toEqual(used);
  });

  /** Prefixes of dmesg, dmesg -x, dmesg -T, printk callers, syslog, journald, a serial console and Android. */
  const PREFIXES = [
    ...["", "[   12.345678] ", "<4>[   12.345678] ", "kern  :alert : [   12.345678] ", "[Mon Nov 30 12:00:00 2026] "],
    ...["[   12.345678][ T1234] ", "[   12.345678] [    C1] ", "Nov 30 12:00:00 host kernel: [   12.3] "],
    ...["2026-11-30T12:00:00.123456+01:00 host kernel: ", "\u001b[1;31m", "\r\u0000[00:01:02.345] ", "> "],
  ];
  const NOISE = [
    "",
    "audit: type=1400 audit(1.2:3): avc",
    "\u0007\u001b[2J\u0000\u009b",
    "CPU: 1 UID: 0 PID: 1 Comm: init",
  ];

  test("the same with any prefix, with other lines in between, and with line ends of a console", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(CASES)),
        fc.constantFrom(...PREFIXES),
        fc.array(fc.constantFrom(...NOISE), { minLength: 1, maxLength: 4 }),
        fc.constantFrom("", "\r"),
        ({ log, flags }, prefix, noise, end) => {
          const lines = log.split("\n").map((line) => line.replace(/^\[ +\d+\.\d+\] /, ""));
          const noisy = lines.flatMap((line, at) => [
            `${prefix}${line}${end}`,
            `${prefix}${noise[at % noise.length]!}`,
          ]);
          const explained = explainLog(noisy.join("\n"), flags);
          expect(explained).toEqual(explainLog(log, flags));
          expect(JSON.stringify(explained)).not.toMatch(/\\u00|\p{Cc}/u);
        },
      ),
    );
  });

  test("the first report counts, and the others are counted", () => {
    const logs = Object.values(CASES).map(({ log }) => log);
    const all = readLog(logs.map((log) => `${log}\n---[ end trace 0000000000000000 ]---`).join("\n"));
    expect(all.others).toBe(logs.length - 1);
    expect(all.inputs).toEqual(readLog(logs[0]!).inputs);
    expectRefusal("Linux version 7.3.0\nrandom: crng init done", "ERR_EXPLAIN_NO_OOPS", "no fault report in 2 lines");
  });

  test("a report of the kernel comes before signals of user processes, and is not ended by one", () => {
    const segfault = "sh[12]: segfault at 10 ip 000055d0c0a01139 sp 00007ffd12345678 error 4 in sh[55d0c0a01000+1000]";
    const [head, ...rest] = CASES["x86, a key of the supervisor"]!.log.split("\n");
    const report = readLog([segfault, head!, segfault, ...rest].join("\n"));
    expect(report.others).toBe(2);
    expect(report.inputs["cr2"]).toEqual({ text: "ffff888100001000", line: 2 });
    expect(report.inputs["error-code"]).toEqual({ text: "0x0023", line: 5 });
  });

  test("an oops that is no fault of an access is none: BUG(), an undefined instruction", () => {
    for (const line of [
      "Internal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT SMP",
      "Internal error: Oops - Undefined instruction: 0000000002000000 [#1] SMP",
      "Oops: invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
      "general protection fault: 0000 [#1] SMP",
    ])
      expectRefusal(line, "ERR_EXPLAIN_NO_OOPS", "no fault report in 1 lines");
  });

  test("where lines name their task or CPU, those of others are not taken", () => {
    const log = `[   77.1][ T1234] BUG: unable to handle page fault for address: ffff888100001000
[   77.1][   C99] BUG: kernel NULL pointer dereference, address: 0000000000000008
[   77.1][   C99] #PF: error_code(0x0002) - not-present page
[   77.1][   C99] PGD 0 P4D 0 
[   77.1][ T1234] #PF: error_code(0x0000) - not-present page
[   77.1][ T1234] PGD 5a01067 P4D 5a01067 PUD 0 `;
    const report = readLog(log);
    expect(report.others).toBe(1);
    expect(report.inputs).toEqual({
      cr2: { text: "ffff888100001000", line: 1 },
      "error-code": { text: "0x0000", line: 5 },
      pgd: { text: "5a01067", line: 6 },
      p4d: { text: "5a01067", line: 6 },
      pud: { text: "0", line: 6 },
    });
  });

  test.each([
    [
      "RISC-V",
      "Unable to handle kernel paging request at virtual address ff60000001234560\nOops [#1]\nepc : foo+0x10/0x20 ra : bar",
    ],
    [
      "32-bit Arm",
      "Unable to handle kernel NULL pointer dereference at virtual address 00000000\npgd = c0004000\nInternal error: Oops: 5 [#1] ARM",
    ],
    ["32-bit x86", "BUG: unable to handle page fault for address: c1234567\n*pde = 00000000 \nOops: 0002 [#1]"],
  ])("a report of %s is named", (name, log) => {
    expectRefusal(log, "ERR_EXPLAIN_LIMIT", `fault report of ${name}`);
  });
});

describe("what is no result of a translation is named, and no table or key is blamed", () => {
  test.each([
    [0x10, "synchronous external abort"],
    [0x11, "synchronous tag check fault"],
    [0x14, "level 0 (translation table walk)"],
    [0x17, "level 3 (translation table walk)"],
    [0x18, "synchronous parity or ECC error"],
    [0x25, "Granule Protection Fault at level 1"],
    [0x28, "Granule Protection Fault not on table walk"],
    [0x1f, "level 3 synchronous parity error (translation table walk)"],
    [0x21, "alignment fault"],
    [0x30, "TLB conflict abort"],
    [0x34, "implementation fault (lockdown abort)"],
    [0x35, "implementation fault (unsupported exclusive)"],
  ])("arm64, status %i: %s", (status, name) => {
    for (const exceptionClass of [0x84, 0x92, 0x96]) {
      const esr = (exceptionClass * 2 ** 24 + status).toString(16);
      const { verdict, reasons, whatIfs } = arm64.explain({
        inputs: { esr, far: "ffff800008000001", pte: "0068000012345f03" },
      });
      expect(verdict).toMatchObject({ kind: "not-tables", result: "fault", agrees: true });
      expect(verdict.text).toContain(name);
      expect(reasons.map(({ topic }) => topic)).not.toContain("key");
      expect(whatIfs).toEqual([]);
    }
  });

  test.each([
    [0x80000003, "RMP"],
    [0x8007, "SGX"],
    [0x47, "shadow-stack"],
  ])("x86, error code %i", (code, name) => {
    const { verdict } = x86.explain({ inputs: { "error-code": code.toString(16), cr2: "7f0000001000" } });
    expect(verdict).toMatchObject({ kind: "not-tables", agrees: true });
    expect(verdict.text).toContain(name);
  });

  test("a shadow-stack access where nothing is present is a matter of the tables", () => {
    const { verdict } = x86.explain({ inputs: { "error-code": "46", cr2: "7f0000001000", pte: "0" } });
    expect(verdict).toMatchObject({ kind: "tables", decidedBy: "translation", agrees: true });
  });

  test("an address size fault of level 0 is of an entry that is too wide, or else of the TTBR", () => {
    const tables = {
      pgd: "237ffff003",
      p4d: "237ffff003",
      pud: "237fffe003",
      pmd: "237fffd003",
      pte: "0068002000155f03",
    };
    const wide = arm64.explain({ inputs: { esr: "0x96000040", far: "ffff800010003eb0", ...tables } });
    expect(wide.verdict).toMatchObject({ decidedBy: "address-size", agrees: true });
    expect(textOf(wide, "report")).toContain("Unable to handle kernel ttbr address size fault at virtual address");
    const narrow = Object.fromEntries(
      Object.entries(tables).map(([name, entry]) => [name, entry.replace("237fff", "7ff")]),
    );
    const { verdict } = arm64.explain({
      inputs: { esr: "0x96000040", far: "ffff800010003eb0", ...narrow, pte: "0068000000155f03" },
    });
    expect(verdict).toMatchObject({ kind: "not-tables", agrees: true });
  });
});

describe("a user fault is explained as the signal", () => {
  const far = "0000aaaac0de0000";
  const user = "00e8000104e33fc3";
  test.each([
    [arm64, { esr: "0x92000007", far, pte: "0" }, "SIGSEGV, SEGV_MAPERR"],
    [arm64, { esr: "0x9200000f", far, pte: "0060000041210783" }, "SIGSEGV, SEGV_ACCERR"],
    [arm64, { esr: "0x000000409200000f", far, pte: `10${user.slice(2)}` }, "SIGSEGV, SEGV_PKUERR, si_pkey 1"],
    [arm64, { esr: "0x92000021", far }, "SIGBUS, BUS_ADRALN"],
    [arm64, { esr: "0x92000011", far }, "SIGSEGV, SEGV_MTESERR"],
    [x86, { "error-code": "4", cr2: far, pte: "0" }, "SIGSEGV, SEGV_MAPERR"],
    [x86, { "error-code": "7", cr2: far, pte: "8000000012345025" }, "SIGSEGV, SEGV_ACCERR"],
    [x86, { "error-code": "5", cr2: "ffff888000001000", pte: "8000000012345163" }, "SIGSEGV, SEGV_MAPERR"],
    [x86, { "error-code": "25", cr2: far, pte: "0800000123456067" }, "SIGSEGV, SEGV_PKUERR, si_pkey 1"],
    // Without the entry the key is not known.
    [x86, { "error-code": "25", cr2: far }, "SIGSEGV, SEGV_PKUERR"],
    [arm64, { esr: "0x000000409200000f", far }, "SIGSEGV, SEGV_PKUERR"],
  ])("%#", (explainer, inputs, signal) => {
    const explained = explainer.explain({ inputs });
    expect(textOf(explained, "report")).toContain(`Linux: ${signal}: `);
    expect(textOf(explained, "report")).not.toContain("Unable to handle kernel");
    expect(explained.verdict.agrees).toBe(true);
  });
});

describe("the syndrome of arm64 in 32 bits leaves ISS2 unknown", () => {
  const inputs = { far: "0xffff00087fbbbd78", por: "0x17", pte: "0x10e80008ffbbb707" };
  test.each([
    ["0x9600004f", true],
    ["9600004f", true],
    ["0x000000409600004f", true],
    ["0x000000009600004f", false],
  ])("%s", (esr, agrees) => {
    expect(arm64.explain({ inputs: { ...inputs, esr } }).verdict).toMatchObject({ decidedBy: "key", agrees });
  });
});

describe("the shape of the tables", () => {
  const report = { esr: "0x96000007", far: "ffffffc010001000" };
  const tables = { pgd: "bfff8003", pmd: "bfff7003", pte: "0" };

  test.each<[string, Record<string, string>, Record<string, unknown>]>([
    ["is taken from flags", { ...tables, "va-bits": "39", "page-size": "4k" }, { pageSize: 4096, vaBits: 39 }],
    ["is taken from equal entries", { ...tables, p4d: "bfff8003", pud: "bfff8003" }, { vaBits: 39 }],
    [
      "is taken from TCR_EL1: T1SZ 25, TG1 4 KiB",
      { ...tables, tcr: `0x${((5n << 32n) | (2n << 30n) | (25n << 16n) | 25n).toString(16)}` },
      { pageSize: 4096, vaBits: 39 },
    ],
    [
      "is taken from TCR_EL1: T1SZ 17, TG1 16 KiB",
      {
        pgd: "bfff8003",
        pmd: "bfff4003",
        pte: "0",
        tcr: `0x${((5n << 32n) | (1n << 30n) | (17n << 16n)).toString(16)}`,
      },
      { pageSize: 16384, vaBits: 47 },
    ],
    [
      "is taken from a fault of level -1",
      { esr: "0x9600002b", far: "fff8000000001000", pgd: "0" },
      { pageSize: 4096, vaBits: 52 },
    ],
    [
      "is taken from TCR_EL1: DS, T1SZ 12, TG1 16 KiB",
      {
        far: "fff0000081234000",
        pgd: "bfff8003",
        pud: "bfff4003",
        pmd: "bffec003",
        pte: "0",
        tcr: `0x${((1n << 59n) | (6n << 32n) | (1n << 30n) | (12n << 16n)).toString(16)}`,
      },
      { pageSize: 16384, vaBits: 52 },
    ],
  ])("%s", (_, inputs, geometry) => {
    const explained = arm64.explain({ inputs: { ...report, ...inputs } });
    expect(explained.geometry).toMatchObject(geometry);
    expect(explained.verdict.agrees).toBe(true);
  });

  test("is in the control registers that are assumed: given, they agree", () => {
    for (const { log, flags, levels } of Object.values(CASES)) {
      if (levels === undefined) continue;
      const { geometry, reasons } = explainLog(log, flags);
      const control = /^(TCR_EL1|CR4) was not given: assumed (0x[\da-f]+)/;
      const [, name, value] = reasons.map(({ text }) => control.exec(text)).find((found) => found !== null) ?? [];
      if (name === undefined) continue;
      const given = { [name === "CR4" ? "cr4" : "tcr"]: value! };
      const without = log.replace(/\w+ pages, \d+-bit VAs, /, "");
      const others = Object.entries(flags ?? {}).filter(([flag]) => flag !== "va-bits" && flag !== "page-size");
      expect(explainLog(without, { ...Object.fromEntries(others), ...given }).geometry, log).toEqual(geometry);
    }
  });

  test("of x86 is taken from CR4.LA57, the address or the entries", () => {
    const fault = { "error-code": "0", pgd: "5a01067" };
    const levels = (inputs: Record<string, string>): number =>
      x86.explain({ inputs: { ...fault, ...inputs } }).geometry!.levels.length;
    expect(levels({ cr2: "ffff888100001000", pud: "0", cr4: "1770ef0" })).toBe(4);
    expect(levels({ cr2: "ffff888100001000", p4d: "5a02067", pud: "0", cr4: "1771ef0" })).toBe(5);
    expect(levels({ cr2: "ffff888100001000", p4d: "5a02067", pud: "0" })).toBe(5);
    expect(levels({ cr2: "ffff888100001000", p4d: "5a01067", pud: "0" })).toBe(4);
    expect(levels({ cr2: "ff11000123456000", p4d: "5a02067", pud: "0" })).toBe(5);
  });

  test.each<[string, () => unknown, string]>([
    [
      "is asked for where it decides",
      () =>
        x86.explain({ inputs: { "error-code": "0", cr2: "ffff888100001000" }, entries: ["5a01067", "5a02067", "0"] }),
      "ERR_EXPLAIN_INPUT",
    ],
    [
      "is refused where Linux has none such",
      () => arm64.explain({ inputs: { ...report, ...tables, "va-bits": "40" } }),
      "ERR_EXPLAIN_INPUT",
    ],
    [
      "is refused where it is no size",
      () => arm64.explain({ inputs: { ...report, ...tables, "page-size": "8k" } }),
      "ERR_EXPLAIN_INPUT",
    ],
    [
      "of descriptors that Linux does not use with the width is a limit of the model",
      () =>
        arm64.explain({
          inputs: { ...report, ...tables, tcr: `0x${((1n << 59n) | (2n << 30n) | (16n << 16n)).toString(16)}` },
        }),
      "ERR_EXPLAIN_LIMIT",
    ],
    [
      "does not help where the kernel could not read the table",
      () => x86.explain({ inputs: { "error-code": "0", cr2: "ffff888100001000", pgd: "5a01067" }, unreadable: true }),
      "ERR_EXPLAIN_INPUT",
    ],
  ])("%s", (_, explain, code) => {
    expect(explain).toThrow(expect.objectContaining({ code }) as Error);
  });
});

test("tables that are far apart, as on a large server, are walked", () => {
  const { verdict } = x86.explain({
    inputs: {
      "error-code": "3",
      cr2: "ffff888100001000",
      maxphyaddr: "52",
      pgd: "5a01067",
      pud: "fff0000002063",
      pmd: "1063",
      pte: "8000000100001161",
    },
  });
  expect(verdict).toMatchObject({ decidedBy: "base", agrees: true });
});

describe("a tag in an address", () => {
  test.each<[string, string, Record<string, string>, boolean, boolean]>([
    ["of a user address is removed", "7a00aaaac0de0000", {}, true, true],
    ["of a kernel address of KASAN is removed", "f1ffff8001234560", {}, true, true],
    ["stays in generic KASAN's shadow at level 0", "dfff800000000001", { esr: "0x96000004" }, false, true],
    ["of generic KASAN's shadow is removed where a walk is reported", "dfff800000000001", {}, true, true],
    ["stays where TCR_EL1.TBI0 is 0", "7a00aaaac0de0000", { tcr: "0x580100010" }, false, false],
  ])("%s", (_, far, more, removed, agrees) => {
    const explained = arm64.explain({ inputs: { esr: "0x96000007", far, pte: "0", ...more } });
    expect(explained.verdict.agrees).toBe(agrees);
    expect(textOf(explained, "report").includes("has the tag")).toBe(removed);
  });
});
