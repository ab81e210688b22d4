import { expect, test } from "vitest";
import { Access, FaultKind, Privilege, toPfn } from "../src/contracts/index.js";
import type { FaultReport, Observer } from "../src/contracts/index.js";
import { ObserverList } from "../src/observers.js";

/** An observer that notes its name at each barrier. */
function noting(seen: string[], name: string, then: () => void = () => undefined): Observer {
  return {
    barrier() {
      seen.push(name);
      then();
    },
  };
}

test("observers are called in the order in which they were attached, until they are detached", () => {
  const observers = new ObserverList();
  const seen: string[] = [];
  expect(observers.current).toBeUndefined();
  const detachFirst = observers.attach(noting(seen, "first"));
  const detachSecond = observers.attach(noting(seen, "second"));
  observers.attach({})();
  observers.current?.barrier?.(0);
  detachFirst();
  observers.current?.barrier?.(0);
  detachSecond();
  expect(observers.current).toBeUndefined();
  expect(seen).toEqual(["first", "second", "second"]);
});

test("an observer that is attached twice is called twice, and each detaching ends one of the two, once", () => {
  const observers = new ObserverList();
  const seen: string[] = [];
  const observer = noting(seen, "twice");
  const detach = observers.attach(observer);
  observers.attach(observer);
  observers.current?.barrier?.(0);
  detach();
  detach();
  observers.current?.barrier?.(0);
  expect(seen).toEqual(["twice", "twice", "twice"]);
});

test.each([1, 2])("among %i, one that is attached in a callback receives the next moment first", (among) => {
  const observers = new ObserverList();
  const seen: string[] = [];
  let isFirst = true;
  const attachOnce = (): void => {
    if (isFirst) observers.attach(noting(seen, "late"));
    isFirst = false;
  };
  observers.attach(noting(seen, "early", attachOnce));
  if (among === 2) observers.attach({});
  observers.current?.barrier?.(0);
  expect(seen).toEqual(["early"]);
  observers.current?.barrier?.(0);
  expect(seen).toEqual(["early", "early", "late"]);
});

test("one that detaches itself in a callback is not called again; others receive the moment", () => {
  const observers = new ObserverList();
  const seen: string[] = [];
  const detach = observers.attach(
    noting(seen, "self", () => {
      detach();
    }),
  );
  observers.attach(noting(seen, "other"));
  observers.current?.barrier?.(0);
  observers.current?.barrier?.(0);
  expect(seen).toEqual(["self", "other", "other"]);
});

test("one that an earlier one detaches in a callback does not receive that moment", () => {
  const observers = new ObserverList();
  const seen: string[] = [];
  observers.attach(
    noting(seen, "first", () => {
      detach();
    }),
  );
  const detach = observers.attach(noting(seen, "second"));
  observers.attach(noting(seen, "third"));
  observers.current?.barrier?.(0);
  expect(seen).toEqual(["first", "third"]);
});

test("an error reaches the cause of the moment, and later observers do not receive it", () => {
  const observers = new ObserverList();
  const seen: string[] = [];
  const error = new Error("stop");
  observers.attach(
    noting(seen, "first", () => {
      throw error;
    }),
  );
  observers.attach(noting(seen, "second"));
  expect(() => {
    observers.current?.barrier?.(0);
  }).toThrow(error);
  expect(seen).toEqual(["first"]);
});

const REPORT: FaultReport = {
  kind: FaultKind.PKEY,
  addressHigh: 1,
  addressLow: 2,
  syndromeHigh: 3,
  syndromeLow: 4,
  level: 3,
  entryHigh: 5,
  entryLow: 6,
  pkey: 1,
  access: Access.WRITE,
  privilege: Privilege.KERNEL,
  pkeyRegisterHigh: 7,
  pkeyRegisterLow: 8,
};

/** Arguments of each moment. */
const MOMENTS: { readonly [M in keyof Required<Observer>]: Parameters<Required<Observer>[M]> } = {
  walkStep: [1, { level: 0, table: toPfn(2), index: 3, high: 4, low: 5, type: "leaf" }],
  tlbFill: [1, 2, 3],
  tlbFlush: [1, 2, 3, -1],
  registerWrite: [1, 2, 3, false],
  barrier: [1],
  unsynchronisedAccess: [1, 2, 3],
  fault: [1, REPORT],
  context: [1, undefined],
  lazyMmu: [1, true],
  tablePage: [1, "user", false],
  taskSwitch: [1, 2, 3],
};

test.each(Object.keys(MOMENTS) as (keyof Observer)[])("several observers receive %s, those that have it", (moment) => {
  const observers = new ObserverList();
  const seen: unknown[] = [];
  const note = (...args: unknown[]): void => void seen.push(args);
  observers.attach({ [moment]: note });
  observers.attach({});
  observers.attach({ [moment]: note });
  const current = observers.current as Record<keyof Observer, (...args: readonly unknown[]) => void>;
  current[moment](...MOMENTS[moment]);
  expect(seen).toEqual([MOMENTS[moment], MOMENTS[moment]]);
});
