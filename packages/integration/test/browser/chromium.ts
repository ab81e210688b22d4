import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The names under which Debian and others install it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The path of an installed Chromium; `undefined` if there is none. */
export function findChromium(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
