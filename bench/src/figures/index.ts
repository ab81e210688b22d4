import type { Figure } from "../figure.js";
import { ACCESS_FIGURES } from "./access.js";
import { MACHINES_FIGURE } from "./machines.js";
import { PROCESS_FIGURES } from "./processes.js";
import { REJECTED_FIGURES } from "./rejected.js";
import { SETTER_FIGURES } from "./setters.js";
import { WHOLE_FIGURES } from "./whole.js";

/** All figures. */
export const FIGURES: readonly Figure[] = [
  ...ACCESS_FIGURES,
  ...SETTER_FIGURES,
  ...PROCESS_FIGURES,
  MACHINES_FIGURE,
  ...WHOLE_FIGURES,
  ...REJECTED_FIGURES,
];

/** The figure with a name; `undefined` if there is none. */
export function figureNamed(name: string): Figure | undefined {
  return FIGURES.find((each) => each.name === name);
}
