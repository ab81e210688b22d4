/**
 * The number of runs of a long property: the test's number under `npm run test:slow`, a fifth of it in `npm test`.
 * @param full - the number of runs that the test asks for
 */
export function runs(full: number): number {
  return process.env["KPKEYS_FULL_RUNS"] === "1" ? full : Math.ceil(full / 5);
}
