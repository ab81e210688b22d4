// The long properties, each with the number of runs in its test.
import "../machine/cpu.test.js";
import "../machine/reference.test.js";
import "../machine/tlb-reference.test.js";
