// The long properties, with the full number of runs.
import "../permissions.test.js";
