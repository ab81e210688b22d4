// The long properties, each tried as often as its test says.
import "../block-allocator.test.js";
