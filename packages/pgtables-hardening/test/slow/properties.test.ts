// The properties with the number of runs that each test sets.
import "../block-allocator.test.js";
