// The long properties, each with the number of runs of its test.
import "../block-allocator.test.js";
import "../explain-what-ifs.test.js";
import "../explain.test.js";
import "../hostile-traces.test.js";
import "../large-machines.test.js";
import "../linear-map.test.js";
import "../processes.test.js";
import "../random-sequences.test.js";
import "../table-watch.test.js";
