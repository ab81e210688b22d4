/**
 * The functions through which Linux writes page tables: each is one guard point. The list is arm64's, from patch "arm64:
 * kpkeys: Guard page table writes" of the series, by the generic names; x86 has the same functions over its own primitives.
 *
 * | setter | primitive |
 * |---|---|
 * | `set_pte` | store; under it set_ptes, pte_clear |
 * | `set_pmd` `set_pud` `set_p4d` `set_pgd` | store; under them the `_clear` forms |
 * | `ptep_test_and_clear_young` | compare-and-exchange loop |
 * | `ptep_get_and_clear` | exchange with 0 |
 * | `ptep_set_wrprotect` | compare-and-exchange loop |
 * | `clear_young_dirty_pte` | compare-and-exchange loop |
 * | `pmdp_establish` | exchange |
 * | `ptep_set_access_flags` | compare-and-exchange loop |
 */
export const SETTERS = [
  "set_pte",
  "set_pmd",
  "set_pud",
  "set_p4d",
  "set_pgd",
  "ptep_test_and_clear_young",
  "ptep_get_and_clear",
  "ptep_set_wrprotect",
  "clear_young_dirty_pte",
  "pmdp_establish",
  "ptep_set_access_flags",
] as const;

/** One of {@link SETTERS}. */
export type Setter = (typeof SETTERS)[number];
