export { withEntries, withRegister } from "./access.js";
export type { AccessBench, AccessSetup, Attempt } from "./access.js";
export { createExplain } from "./explain.js";
export { refuseInput, TABLE_ENTRY_INPUTS } from "./inputs.js";
export type { InputReading, InputRule } from "./inputs.js";
export type { ExplainTools } from "./question.js";
export type { ExplainRules, KeyUse, Rule, WhatIf } from "./rules.js";
export { listed, shortHex } from "./words.js";
