// Keys and contexts of the tests, by declaration merging as in a feature package.
export {};

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
