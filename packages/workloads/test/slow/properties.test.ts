// The long properties, each tried as often as its test says.
import "../perf-script-fuzz.test.js";
import "../perf-script-property.test.js";
import "../strace-property.test.js";
