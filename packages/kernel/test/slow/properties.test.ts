// The long properties, each tried as often as its test says.
import "../process/asids.test.js";
import "../process/model.test.js";
