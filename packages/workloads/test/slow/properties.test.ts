// The property tests with their full number of runs.
import "../perf-script-fuzz.test.js";
import "../perf-script-property.test.js";
import "../strace-property.test.js";
