// The long properties, each tried as often as its test says.
import "../block-allocator.test.js";
import "../explain-what-ifs.test.js";
import "../explain.test.js";
import "../hostile-traces.test.js";
import "../large-machines.test.js";
import "../linear-map.test.js";
import "../processes.test.js";
import "../random-sequences.test.js";
import "../table-watch.test.js";
