import { setFlagsFromString } from "node:v8";

/**
 * Lets V8 make one piece of code of a whole write of a page table: guard, key register, setter, MMU and back are some 2,000 bytes
 * of bytecode, and by default it takes 920 into one function. A guarded set_pte takes two thirds of the time then. To be imported
 * before anything is compiled; holds for the workers of the process too.
 */
setFlagsFromString("--max-inlined-bytecode-size-cumulative=2500");
