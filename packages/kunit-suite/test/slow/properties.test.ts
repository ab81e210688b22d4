// The properties with their full number of runs.
import "../ktap-reader.test.js";
