/**
 * The functions through which Linux writes page tables: each is one guard point. The list is arm64's, from patch "arm64:
 * kpkeys: Guard page table writes" of the series, by the generic names. No patch of it exists for x86; its raw writers, worked
 * out the same way from mainline's `asm/pgtable_64.h`, `asm/pgtable.h` and `mm/pgtable.c`, fall under the same names.
 *
 * | setter | arm64 | x86 |
 * |---|---|---|
 * | `set_pte` | `__set_pte_nosync`: store; under it set_ptes, pte_clear | `native_set_pte`: store; under it set_ptes, `native_pte_clear` |
 * | `set_pmd` `set_pud` `set_p4d` `set_pgd` | store; under them the `_clear` forms | `native_set_pmd` and its kin: store; `clone_pgd_range` copies top-level entries with `memcpy`, here one `set_pgd` each |
 * | `ptep_test_and_clear_young` | compare-and-exchange loop | `test_and_clear_bit` |
 * | `ptep_get_and_clear` | exchange with 0 | `native_ptep_get_and_clear`: exchange with 0 |
 * | `ptep_set_wrprotect` | compare-and-exchange loop | `try_cmpxchg` loop |
 * | `clear_young_dirty_pte` | compare-and-exchange loop | generic: by the setters above |
 * | `pmdp_establish` | exchange | exchange |
 * | `ptep_set_access_flags` | compare-and-exchange loop | `set_pte`, when the entry changed |
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
