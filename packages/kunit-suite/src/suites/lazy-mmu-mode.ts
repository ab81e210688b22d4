import { Exceptions, LazyMmu } from "@kpkeys/core/contracts";
import type { KunitSuite, KunitTest } from "@kpkeys/core/contracts";

/**
 * The rules of lazy MMU mode (include/linux/pgtable.h since Linux 7.0), checked with `is_lazy_mmu_mode_active()`. Each case begins
 * and ends outside a lazy MMU section. The name and the config symbol are those of mm/tests/lazy_mmu_mode_kunit.c; the cases are
 * this package's, one for each rule.
 */
export const lazyMmuMode: KunitSuite = {
  name: "lazy_mmu_mode",
  config: "LAZY_MMU_MODE_KUNIT_TEST",
  cases: [
    { name: "lazy_mmu_mode_enable_disable", run: enableDisable },
    { name: "lazy_mmu_mode_nested", run: nested },
    { name: "lazy_mmu_mode_pause_resume", run: pauseResume },
    { name: "lazy_mmu_mode_nested_pause", run: nestedPause },
    { name: "lazy_mmu_mode_paused_calls", run: pausedCalls },
    { name: "lazy_mmu_mode_pause_outside", run: pauseOutside },
    { name: "lazy_mmu_mode_in_interrupt", run: inInterrupt },
  ],
};

function expectActive(test: KunitTest, active: boolean, when: string): void {
  const message = active ? `Lazy MMU mode isn't active ${when}` : `Lazy MMU mode is active ${when}`;
  test.expectEq(Number(test.get(LazyMmu).isActive()), Number(active), message);
}

function enableDisable(test: KunitTest): void {
  const lazy = test.get(LazyMmu);
  expectActive(test, false, "before a section");
  lazy.enable();
  expectActive(test, true, "in a section");
  lazy.disable();
  expectActive(test, false, "after a section");
}

/** Only the outermost pair of enable and disable has an effect. */
function nested(test: KunitTest): void {
  const lazy = test.get(LazyMmu);
  const depth = 3;
  for (let inside = 1; inside <= depth; inside++) {
    lazy.enable();
    expectActive(test, true, `${inside} sections deep`);
  }
  for (let inside = depth - 1; inside >= 0; inside--) {
    lazy.disable();
    expectActive(test, inside > 0, `${inside} sections deep, on the way out`);
  }
}

function pauseResume(test: KunitTest): void {
  const lazy = test.get(LazyMmu);
  lazy.enable();
  lazy.enable();
  lazy.pause();
  expectActive(test, false, "while paused");
  lazy.resume();
  expectActive(test, true, "after the pause");
  lazy.disable();
  expectActive(test, true, "in the outer section, after a pause in the inner one");
  lazy.disable();
  expectActive(test, false, "after a section");
}

/** Only the outermost pair of pause and resume has an effect. */
function nestedPause(test: KunitTest): void {
  const lazy = test.get(LazyMmu);
  lazy.enable();
  lazy.pause();
  lazy.pause();
  lazy.resume();
  expectActive(test, false, "while paused once more");
  lazy.resume();
  expectActive(test, true, "after both pauses");
  lazy.disable();
}

/** Enable and disable do nothing while paused: the section continues after the pause. */
function pausedCalls(test: KunitTest): void {
  const lazy = test.get(LazyMmu);
  lazy.enable();
  lazy.pause();
  lazy.disable();
  expectActive(test, false, "while paused, after a disable");
  lazy.enable();
  lazy.enable();
  expectActive(test, false, "while paused, after an enable");
  lazy.resume();
  expectActive(test, true, "after the pause");
  lazy.disable();
  expectActive(test, false, "after a section whose calls while paused did nothing");
}

function pauseOutside(test: KunitTest): void {
  const lazy = test.get(LazyMmu);
  lazy.pause();
  expectActive(test, false, "while paused outside any section");
  lazy.resume();
  expectActive(test, false, "after a pause outside any section");
}

/** In interrupt the mode is not active, and calls neither change the interrupted section nor begin one. */
function inInterrupt(test: KunitTest): void {
  const lazy = test.get(LazyMmu);
  const exceptions = test.get(Exceptions);
  exceptions.interrupt(() => {
    lazy.enable();
    expectActive(test, false, "in interrupt, after an enable");
  });
  expectActive(test, false, "after an interrupt that enabled it");

  lazy.enable();
  exceptions.interrupt(() => {
    expectActive(test, false, "in interrupt of a section");
    lazy.disable();
    lazy.pause();
  });
  expectActive(test, true, "after an interrupt that disabled and paused it");
  lazy.disable();
  expectActive(test, false, "after a section");
}
