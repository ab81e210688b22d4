#!/usr/bin/env node
import "./inlining.js";
import { main } from "./program.js";

process.exitCode = await main(process.argv);
