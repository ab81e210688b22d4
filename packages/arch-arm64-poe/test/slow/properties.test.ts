// The long properties, each tried as often as its test says.
import "../permissions.test.js";
