// Draws the charts of docs/overhead.md from the command's own JSON: node scripts/charts.mjs [TRACE].
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse, View } from "vega";

const KPKEYS = fileURLToPath(new URL("../packages/cli/bin/kpkeys.js", import.meta.url));
const trace = process.argv[2] === undefined ? [] : ["--trace", process.argv[2]];

/** @returns the document that the command prints */
function kpkeys(...args) {
  const options = { encoding: "utf8", maxBuffer: 2 ** 26, stdio: ["ignore", "pipe", "inherit"] };
  const { status, stdout } = spawnSync(process.execPath, [KPKEYS, ...args, "--json"], options);
  if (status !== 0 && status !== 1) throw new Error(`kpkeys ${args.join(" ")} ended with status ${status}`);
  return JSON.parse(stdout);
}

/** Colours that stay apart for the colour-blind (Okabe and Ito). */
const COLOURS = { naive: "#d55e00", batched: "#0072b2" };

const text = { labelFontSize: 11, titleFontSize: 12, grid: true, gridColor: "#e5e5e5" };

/** Both axes by the same scale, which is linear around 0 and logarithmic further out: values from -2 to 283. */
function percentScale(name, range) {
  return { name, type: "symlog", constant: 2, domain: [-3, 300], range, nice: false };
}

const TICKS = [-2, 0, 2, 5, 10, 20, 50, 100, 200];

/** Each number of the table that the fit did not know, with its range, against the line where they are equal. */
function publishedAgainstPredicted({ rows }) {
  const heldOut = rows.filter(({ fitted }) => !fitted);
  return {
    width: 520,
    height: 520,
    padding: 12,
    background: "white",
    title: "Overhead of RFC v5 in percent: each row predicted from the other half of the table",
    data: [
      { name: "rows", values: heldOut.map((row) => ({ ...row, low: Math.max(-3, row.low) })) },
      { name: "equal", values: [-3, 300].map((value) => ({ value })) },
    ],
    scales: [
      percentScale("x", "width"),
      percentScale("y", "height"),
      { name: "colour", type: "ordinal", domain: Object.keys(COLOURS), range: Object.values(COLOURS) },
    ],
    axes: [
      { scale: "x", orient: "bottom", title: "published, %", values: TICKS, ...text },
      { scale: "y", orient: "left", title: "predicted, %", values: TICKS, ...text },
    ],
    legends: [{ fill: "colour", symbolType: "circle", orient: "top-left", offset: 12 }],
    marks: [
      {
        type: "line",
        from: { data: "equal" },
        encode: {
          update: {
            x: { scale: "x", field: "value" },
            y: { scale: "y", field: "value" },
            stroke: { value: "#999999" },
            strokeDash: { value: [4, 4] },
          },
        },
      },
      {
        type: "rule",
        from: { data: "rows" },
        encode: {
          update: {
            x: { scale: "x", field: "published" },
            y: { scale: "y", field: "low" },
            y2: { scale: "y", field: "high" },
            stroke: { scale: "colour", field: "policy" },
            strokeOpacity: { value: 0.5 },
            strokeWidth: { value: 2 },
          },
        },
      },
      {
        type: "symbol",
        from: { data: "rows" },
        encode: {
          update: {
            x: { scale: "x", field: "published" },
            y: { scale: "y", field: "predicted" },
            fill: { scale: "colour", field: "policy" },
            size: { value: 50 },
            tooltip: { signal: "datum.benchmark + ', ' + datum.policy" },
          },
        },
      },
    ],
  };
}

/** A point for each placement that has a cost: how much it adds, and in how much of the table work an interrupt keeps the rights. */
function costAgainstExposure({ trace, whatIf }) {
  const rows = whatIf
    .filter(({ overhead }) => overhead !== null)
    .map(({ variant, overhead, privilegedHandlers }) => ({ variant, added: overhead.percent, privilegedHandlers }));
  // Variants that come to the same are one point with several names.
  const points = new Map();
  for (const { variant, added, privilegedHandlers } of rows) {
    const place = `${added.toFixed(1)} ${privilegedHandlers.toFixed(0)}`;
    const point = points.get(place) ?? { added, privilegedHandlers, names: [] };
    point.names.push(variant);
    points.set(place, point);
  }
  const values = [...points.values()].map((point) => ({ ...point, name: point.names.join("; ") }));
  const names = values.map(({ name }) => name);
  return {
    width: 520,
    height: 420,
    padding: 12,
    background: "white",
    title: `Cost and exposure of guard placements on arm64, replaying ${trace}`,
    data: [{ name: "points", values }],
    scales: [
      { name: "x", type: "log", domain: [1.5, 100], range: "width" },
      { name: "y", type: "linear", domain: [0, 105], range: "height" },
      { name: "colour", type: "ordinal", domain: names, range: { scheme: "tableau10" } },
      { name: "shape", type: "ordinal", domain: names, range: ["circle", "square", "triangle-up", "diamond"] },
    ],
    legends: [
      { fill: "colour", shape: "shape", orient: "right", labelLimit: 0, symbolSize: 90, title: "guards placed in" },
    ],
    axes: [
      {
        scale: "x",
        orient: "bottom",
        title: "estimated system time added, % (logarithmic)",
        values: [2, 3, 5, 10, 20, 50, 100],
        ...text,
      },
      { scale: "y", orient: "left", title: "handlers that begin with tables writable, %", ...text },
    ],
    marks: [
      {
        type: "symbol",
        from: { data: "points" },
        encode: {
          update: {
            x: { scale: "x", field: "added" },
            y: { scale: "y", field: "privilegedHandlers" },
            fill: { scale: "colour", field: "name" },
            shape: { scale: "shape", field: "name" },
            size: { value: 110 },
          },
        },
      },
    ],
  };
}

/** Draws a specification into a file of docs/. */
async function draw(name, specification) {
  const view = new View(parse(specification), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  const file = new URL(`../docs/${name}.svg`, import.meta.url);
  writeFileSync(file, `${svg}\n`);
  console.log(fileURLToPath(file));
}

await draw("overhead-predicted", publishedAgainstPredicted(kpkeys("overhead", ...trace)));
await draw("overhead-exposure", costAgainstExposure(kpkeys("overhead", "--what-if", ...trace)));
