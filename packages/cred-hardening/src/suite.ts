import { toBytes } from "@kpkeys/core";
import {
  CRED,
  Creds,
  Errno,
  Exceptions,
  KernelMemory,
  Kpkeys,
  PhysicalMemory,
  toPhysAddr,
} from "@kpkeys/core/contracts";
import type { KunitSuite, KunitTest, PhysAddr } from "@kpkeys/core/contracts";

/**
 * The suite of mm/tests/kpkeys_hardened_cred_kunit.c (patch 8 of the credentials series, RFC v2): a write to the user id of a live
 * credential fails, a write to one in preparation succeeds.
 */
export const hardenedCred: KunitSuite = {
  name: "Hardened credentials using kpkeys",
  config: "KPKEYS_HARDENED_CRED_KUNIT_TEST",
  cases: [
    { name: "write_current_creds", run: writeCurrentCreds },
    { name: "write_new_creds", run: writeNewCreds },
  ],
};

function writeCurrentCreds(test: KunitTest): void {
  skipUnlessSupported(test);
  const creds = test.get(Creds);
  test.expectEq(writeUid(test, creds.current()), Errno.EFAULT, "Write to current->cred wasn't prevented");
  test.expectEq(writeUid(test, creds.real()), Errno.EFAULT, "Write to current->real_cred wasn't prevented");
}

function writeNewCreds(test: KunitTest): void {
  skipUnlessSupported(test);
  const creds = test.get(Creds);
  const prepared = creds.prepare();
  test.assertNotNull(prepared, "Could not prepare credentials");
  test.expectEq(writeUid(test, prepared), 0, "Write to prepared credentials failed");

  const live = creds.protect(prepared);
  test.defer(() => {
    creds.put(live);
  });
  test.assertNe(live, prepared, "protect_creds() did not move the credentials");
  test.expectEq(writeUid(test, live), Errno.EFAULT, "Write to protected credentials wasn't prevented");

  const protectedCred = creds.prepareProtected();
  test.assertNotNull(protectedCred, "Could not prepare protected credentials");
  test.defer(() => {
    creds.put(protectedCred);
  });
  test.expectEq(
    writeUid(test, protectedCred),
    Errno.EFAULT,
    "Write to credentials prepared protected wasn't prevented",
  );
}

/** Writes uid + 1; a successful write is not undone. @returns 0 or -EFAULT */
function writeUid(test: KunitTest, cred: PhysAddr): 0 | Errno {
  const memory = test.get(KernelMemory);
  const uidAddress = toPhysAddr(cred + CRED.uid);
  const address = memory.linearAddress(uidAddress);
  memory.load(uidAddress, "kunit");
  const { valueHigh: gid, valueLow: uid } = memory;
  return test
    .get(Exceptions)
    .copyToKernelNofault(address, toBytes({ high: gid, low: (uid + 1) | 0 }, test.get(PhysicalMemory).byteOrder));
}

function skipUnlessSupported(test: KunitTest): void {
  if (!test.get(Kpkeys).supported()) test.skip("kpkeys are not supported");
}
