"use strict";

const element = (id) => document.getElementById(id);

function show(id, isShown = true) {
  element(id).hidden = !isShown;
}

// All texts become nodes of text: a file may hold anything.
function made(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function counted(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

function cellText(value) {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : String(value);
}

// The first column names the row.
function fillTable(table, columns, rows) {
  const head = made("tr");
  const isNumber = columns.map((_, place) => rows.some((row) => typeof row[place] === "number"));
  columns.forEach((name, place) => {
    const title = made("th", name, isNumber[place] ? "number" : "");
    title.scope = "col";
    head.append(title);
  });
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(...rows.map((values) => {
    const line = made("tr");
    values.forEach((value, place) => {
      const cell = made(place === 0 ? "th" : "td", cellText(value), isNumber[place] ? "number" : "word");
      if (place === 0) cell.scope = "row";
      line.append(cell);
    });
    return line;
  }));
}

const CALLS = ["sensitive", "resistant", "abstain"];

function share(n, total) {
  return total ? `${Math.round((100 * n) / total)}% (${n.toLocaleString("en")})` : "none";
}

// The widths are set by script, because the page allows no style in its own text.
function bar(counts, total) {
  const whole = made("div", "", "bar");
  whole.setAttribute("aria-hidden", "true");
  for (const call of CALLS) {
    const part = made("span", "", call);
    part.style.width = `${total ? (100 * counts[call]) / total : 0}%`;
    whole.append(part);
  }
  return whole;
}

// One table a drug: share and number of cells of each group by their call, with a bar.
function groupTable(drug, column, groups) {
  const region = made("div", "", "scroll");
  const table = made("table");
  const title = made("caption", `${drug}: calls by ${column}`);
  title.id = `groups-${drug}`;
  region.setAttribute("role", "region");
  region.setAttribute("aria-labelledby", title.id);
  region.tabIndex = 0;
  const head = made("tr");
  for (const name of [column, ...CALLS]) {
    const cell = made("th", name, CALLS.includes(name) ? "number" : "");
    cell.scope = "col";
    head.append(cell);
  }
  const body = made("tbody");
  for (const group of groups) {
    const counts = group.drugs[drug];
    const total = CALLS.reduce((sum, call) => sum + counts[call], 0);
    const line = made("tr");
    const name = made("th", group.group);
    name.scope = "row";
    name.append(made("small", counted(group.n_cells, "cell")), bar(counts, total));
    line.append(name);
    for (const call of CALLS) line.append(made("td", share(counts[call], total), "number"));
    body.append(line);
  }
  const top = made("thead");
  top.append(head);
  table.append(title, top, body);
  region.append(table);
  return region;
}
