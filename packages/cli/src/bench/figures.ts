import { ACCESS_FIGURES } from "./access.js";
import type { Figure } from "./figure.js";
import { PROCESS_FIGURES } from "./processes.js";
import { REJECTED_FIGURES } from "./rejected.js";
import { SETTER_FIGURES } from "./setters.js";
import { WHOLE_FIGURES } from "./whole.js";

/** The figures that have processes of their own, in the groups that are measured together: a baseline is in the group. */
export const GROUPS: readonly (readonly Figure[])[] = [
  [...ACCESS_FIGURES, ...REJECTED_FIGURES],
  SETTER_FIGURES,
  PROCESS_FIGURES,
  WHOLE_FIGURES,
];

/** All of them. */
export const FIGURES: readonly Figure[] = GROUPS.flat();
