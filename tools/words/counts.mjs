// An ESLint formatter: findings by package and rule.

/** @returns {string} the package or the top folder that a file is in */
function placeOf(filePath, cwd) {
  const [top, second] = filePath.slice(cwd.length + 1).split("/");
  return ["packages", "examples"].includes(top) ? `${top}/${second}` : top;
}

/** @returns {string} a table: a row for each package, a column for each rule, and the totals */
export default function counts(results, { cwd }) {
  const found = results.flatMap(({ filePath, messages }) =>
    messages.map(({ ruleId, message }) => ({ place: placeOf(filePath, cwd), rule: ruleId?.split("/")[1] ?? message })),
  );
  if (found.length === 0) return "";
  const rules = [...new Set(found.map(({ rule }) => rule))].sort();
  const places = [...new Set(found.map(({ place }) => place))].sort();
  const row = (name, own) => {
    const cells = [...rules.map((rule) => own.filter((each) => each.rule === rule).length), own.length];
    return name.padEnd(32) + cells.map((cell) => String(cell).padStart(8)).join("");
  };
  return [
    "".padEnd(32) + [...rules, "all"].map((rule) => rule.padStart(8)).join(""),
    ...places.map((place) =>
      row(
        place,
        found.filter((each) => each.place === place),
      ),
    ),
    row("all", found),
    "",
  ].join("\n");
}
