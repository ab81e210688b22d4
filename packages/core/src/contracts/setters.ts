/**
 * The functions with which Linux writes page tables. Each can have a guard. The list is that of patch "arm64: kpkeys: Guard page table
 * writes" of the series, with generic names. The series has no such patch for x86; the table has the corresponding functions of mainline's
 * `asm/pgtable_64.h`, `asm/pgtable.h` and `mm/pgtable.c`.
 *
 * | setter | arm64 | x86 |
 * |---|---|---|
 * | `set_pte` | `__set_pte_nosync`: store; used by set_ptes, pte_clear | `native_set_pte`: store; used by set_ptes, `native_pte_clear` |
 * | `set_pmd` `set_pud` `set_p4d` `set_pgd` | store; used by the `_clear` forms | `native_set_pmd` and the same for other levels: store; `clone_pgd_range` copies top-level entries with `memcpy`, here one `set_pgd` each |
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
