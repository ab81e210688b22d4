// The long properties, each tried as often as its test says.
import "../machine/cpu.test.js";
import "../machine/reference.test.js";
import "../machine/tlb-reference.test.js";
