// The long properties, each tried as often as its test says.
import "../ktap-reader.test.js";
