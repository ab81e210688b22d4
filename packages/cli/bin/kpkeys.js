#!/usr/bin/env node
import process from "node:process";
import { main } from "../dist/program.js";

process.exitCode = await main(process.argv);
