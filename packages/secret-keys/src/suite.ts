import { Cpus, Errno, Exceptions, KernelMemory, Kpkeys, Tasks, toPhysAddr } from "@kpkeys/core/contracts";
import type { KunitSuite, KunitTest, PhysAddr, Task } from "@kpkeys/core/contracts";
import { ThreadSecrets } from "./contract.js";
import { ALL_KEYS, PacKey, SECRETS } from "./layout.js";

/** The suite of the feature: no direct access to a slot succeeds, and the key registers have the keys of the current task. */
export const secretKeysSuite: KunitSuite = {
  name: "kpkeys_secret_keys",
  config: "KPKEYS_SECRET_KEYS_KUNIT_TEST",
  cases: [
    { name: "read_current_secrets", run: readCurrentSecrets },
    { name: "write_current_secrets", run: writeCurrentSecrets },
    { name: "switch_loads_keys", run: switchLoadsKeys },
    { name: "reset_keys", run: resetKeys },
    { name: "exit_clears_slot", run: exitClearsSlot },
  ],
};

function readCurrentSecrets(test: KunitTest): void {
  skipUnlessSupported(test);
  const slot = slotOf(test, test.get(Tasks).current);
  for (let at = 0; at < SECRETS.size; at += 8) {
    const bytes = test.get(Exceptions).copyFromKernelNofault(addressOf(test, slot, at), 8);
    test.expectEq(typeof bytes === "number" ? bytes : 0, Errno.EFAULT, `Read of byte ${at} wasn't prevented`);
  }
}

function writeCurrentSecrets(test: KunitTest): void {
  skipUnlessSupported(test);
  const slot = slotOf(test, test.get(Tasks).current);
  const before = contentOf(test, slot);
  for (let at = 0; at < SECRETS.size; at += 8) {
    const errno = test.get(Exceptions).copyToKernelNofault(addressOf(test, slot, at), new Uint8Array(8));
    test.expectEq(errno, Errno.EFAULT, `Write to byte ${at} wasn't prevented`);
  }
  test.expectEq(changedKeys(before, contentOf(test, slot)), 0, "A write that failed changed a key");
}

function switchLoadsKeys(test: KunitTest): void {
  const tasks = test.get(Tasks);
  const parent = tasks.current;
  const child = newTask(test);
  const [own, inherited] = [contentOf(test, slotOf(test, parent)), contentOf(test, slotOf(test, child))];
  test.expectEq(changedKeys(own, inherited), KERNEL_KEY, "A new thread must differ in the kernel key only");
  expectInstalled(test, own, "The keys of the current task are not loaded");
  tasks.switchTo(child);
  expectInstalled(test, inherited, "The switch did not load the keys of the new thread");
  tasks.switchTo(parent);
  expectInstalled(test, own, "The switch back did not load the keys");
}

function resetKeys(test: KunitTest): void {
  const secrets = test.get(ThreadSecrets);
  const tasks = test.get(Tasks);
  const parent = tasks.current;
  tasks.switchTo(newTask(test));
  test.defer(() => {
    tasks.switchTo(parent);
  });
  const slot = slotOf(test, tasks.current);
  for (const [keys, changed] of [
    [PacKey.APIB, PacKey.APIB],
    [PacKey.APIA | PacKey.APGA, PacKey.APIA | PacKey.APGA],
    [0, ALL_KEYS],
  ] as const) {
    const before = contentOf(test, slot);
    test.expectEq(secrets.resetKeys(keys), 0, "PR_PAC_RESET_KEYS failed");
    const after = contentOf(test, slot);
    test.expectEq(changedKeys(before, after), changed, `PR_PAC_RESET_KEYS of ${keys} did not change these keys only`);
    expectInstalled(test, after, "PR_PAC_RESET_KEYS did not load the new keys");
  }
  test.expectEq(secrets.resetKeys(ALL_KEYS + 1), Errno.EINVAL, "PR_PAC_RESET_KEYS accepted an unknown key");
}

function exitClearsSlot(test: KunitTest): void {
  const tasks = test.get(Tasks);
  const task = tasks.create(undefined);
  const slot = slotOf(test, task);
  tasks.exit(task);
  const left = contentOf(test, slot).filter((word) => word !== 0).length;
  test.expectEq(left, 0, "The slot of an ended thread has keys");
  test.expectEq(Number(test.get(ThreadSecrets).slotOf(task.tid) === undefined), 1, "An ended thread has a slot");
}

/** The kernel key, as the bit after those of the user keys. */
const KERNEL_KEY = ALL_KEYS + 1;

/** A kernel thread that ends with the case. */
function newTask(test: KunitTest): Task {
  const tasks = test.get(Tasks);
  const task = tasks.create(undefined);
  test.defer(() => {
    tasks.exit(task);
  });
  return task;
}

function slotOf(test: KunitTest, { tid }: Task): PhysAddr {
  const slot = test.get(ThreadSecrets).slotOf(tid);
  test.assertNotNull(slot, "The task has no slot");
  return slot;
}

function addressOf(test: KunitTest, slot: PhysAddr, offset: number): { high: number; low: number } {
  return test.get(KernelMemory).linearAddress(toPhysAddr(slot + offset));
}

/** The words of a slot, read in the context of the context switch: of each 64-bit word bits 31 to 0, then bits 63 to 32. */
function contentOf(test: KunitTest, slot: PhysAddr): Int32Array {
  const kpkeys = test.get(Kpkeys);
  const memory = test.get(KernelMemory);
  const words = new Int32Array(SECRETS.size / 4);
  const state = kpkeys.enterContext("SECRETS_READ");
  for (let word = 0; word < words.length; word += 2) {
    memory.load(toPhysAddr(slot + word * 4), "kunit");
    words[word] = memory.valueLow;
    words[word + 1] = memory.valueHigh;
  }
  kpkeys.leaveContext(state);
  return words;
}

/** The keys that differ, as a mask: bit n is the n-th key of the slot. */
function changedKeys(before: Int32Array, after: Int32Array): number {
  const wordsOfKey = SECRETS.key / 4;
  return before.reduce((mask, word, at) => (word === after[at] ? mask : mask | (1 << Math.floor(at / wordsOfKey))), 0);
}

function expectInstalled(test: KunitTest, slot: Int32Array, message: string): void {
  const installed = test.get(ThreadSecrets).installed(test.get(Cpus).current.id);
  test.expectEq(changedKeys(slot, installed), 0, message);
}

function skipUnlessSupported(test: KunitTest): void {
  if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
}
