/** Built-in objects that all code in a process shares, by name. */
const SHARED: Readonly<Record<string, object>> = {
  Object,
  "Object.prototype": Object.prototype,
  Array,
  "Array.prototype": Array.prototype,
  "Function.prototype": Function.prototype,
  JSON,
  Map,
  "Map.prototype": Map.prototype,
  Math,
  Number,
  "Number.prototype": Number.prototype,
  Promise,
  "Promise.prototype": Promise.prototype,
  "RegExp.prototype": RegExp.prototype,
  Set,
  "Set.prototype": Set.prototype,
  String,
  "String.prototype": String.prototype,
};

/**
 * Records the built-in functions, to detect code that replaces one.
 * @returns a check that returns the name of the first replaced function, such as `Array.prototype.push`. It calls no function that can be
 * replaced. It does not detect added functions
 */
export function watchIntrinsics(): () => string | undefined {
  const { getOwnPropertyDescriptor, is } = Object;
  const known: [name: string, owner: object, key: string, value: unknown][] = [];
  for (const [name, owner] of Object.entries(SHARED)) {
    for (const key of Object.getOwnPropertyNames(owner)) {
      const value: unknown = getOwnPropertyDescriptor(owner, key)?.value;
      if (typeof value === "function") known.push([`${name}.${key}`, owner, key, value]);
    }
  }
  const count = known.length;
  return () => {
    for (let at = 0; at < count; at++) {
      const each = known[at]!;
      if (!is(getOwnPropertyDescriptor(each[1], each[2])?.value, each[3])) return each[0];
    }
    return undefined;
  };
}
