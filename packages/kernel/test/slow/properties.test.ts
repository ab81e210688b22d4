// The long property tests, each with the number of runs of its test.
import "../process/asids.test.js";
import "../process/model.test.js";
