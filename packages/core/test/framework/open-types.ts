// Declaration merging, as in a feature package, makes keys and contexts known to the compiler.
declare module "../../src/contracts/index.js" {
  interface KpkeysPkeys {
    PGTABLES: true;
    CRED: true;
    TEST_SECRET: true;
    TEST_EXTRA: true;
  }
  interface KpkeysContexts {
    PGTABLES: true;
    CRED: true;
    TEST_SECRET: true;
    TEST_BOTH: true;
  }
}

/** Code of an error thrown, for `expect(...)`; fails when nothing is thrown. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
  return "nothing thrown";
}
