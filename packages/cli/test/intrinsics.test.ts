import { afterEach, expect, test } from "vitest";
import { watchIntrinsics } from "../src/check-plugin/intrinsics.js";

const { push } = Array.prototype;
afterEach(() => {
  Array.prototype.push = push;
});

test("a replaced built-in function is detected, an added one is not", () => {
  const replaced = watchIntrinsics();
  expect(replaced()).toBeUndefined();
  Object.defineProperty(Array.prototype, "kpkeysTest", { value: () => 0, configurable: true });
  expect(replaced()).toBeUndefined();
  Reflect.deleteProperty(Array.prototype, "kpkeysTest");
  Array.prototype.push = () => 0;
  const found = replaced();
  Array.prototype.push = push;
  expect(found).toBe("Array.prototype.push");
});
