"use strict";

const form = element("form");
const needsToken = form.dataset.needsToken === "yes";
const maxMb = Number(form.dataset.maxMb);
const mostDrugs = Number(form.dataset.mostDrugs);
const OWNER = "the person who runs this server";
let job = null;

// A header holds bytes: letters outside ASCII are sent as UTF-8.
function headers() {
  if (!needsToken) return {};
  const bytes = new TextEncoder().encode(element("token").value);
  return { Authorization: `Bearer ${String.fromCharCode(...bytes)}` };
}

function noWords() {
  return `The server gave no answer that this page understands.\nTry again. If it stays so, tell ${OWNER}.`;
}

function noConnection() {
  return `The server did not answer.\nCheck your connection, and try again. If it stays so, tell ${OWNER}.`;
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: headers() }).catch(() => {
    throw new Error(noConnection());
  });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.error || noWords());
  }
  return answer;
}

function fail(message, title) {
  element("fault-title").textContent = title;
  element("fault-text").replaceChildren(...message.split("\n").map((line) => made("p", line)));
  show("progress", false);
  show("fault");
  element("fault").focus();
  element("go").disabled = false;
}

function progress(text, part) {
  if (element("state").textContent !== text) element("state").textContent = text;
  if (part === undefined) element("bar").removeAttribute("value");
  else element("bar").value = part;
  show("progress");
}

// The library ------------------------------------------------------------------------------------

function modelItem(model, place) {
  const item = made("li");
  const label = made("label");
  const box = made("input");
  box.type = "checkbox";
  box.id = `model-${place}`;
  box.value = model.drug;
  box.dataset.family = model.family;
  const evidence = made("p", model.evidence.join(" "));
  evidence.id = `evidence-${place}`;
  box.setAttribute("aria-describedby", evidence.id);
  label.append(box, made("span", model.simulated ? `${model.drug} (simulated)` : model.drug));
  const since = model.since ? `In production since ${model.since}` : "In production";
  const about = made("p", `${since}. Family ${model.family}, version ${model.version}. What scores: ${model.scores}. ${model.labels}`, "about");
  item.append(label, evidence, about);
  return item;
}

async function listModels() {
  const { models } = await (await ask("/library")).json();
  const chosen = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
  element("models").replaceChildren(...models.map(modelItem));
  for (const box of boxes()) box.checked = models.length === 1 || chosen.has(box.value);
  element("library-state").textContent = models.length ? `${counted(models.length, "model")} in production. Choose one drug or several.` : "";
  show("no-models", models.length === 0);
  show("about-auroc", models.length > 0);
  show("find", models.length > 8);
  element("go").disabled = models.length === 0;
  element("file").disabled = models.length === 0;
  show("fault", false);
}

function boxes() {
  return [...element("models").querySelectorAll("input")];
}

function readLibrary() {
  listModels().catch((error) => {
    element("library-state").textContent = "";
    fail(error.message, "The models could not be listed");
  });
}

element("filter").addEventListener("input", () => {
  const wanted = element("filter").value.trim().toLowerCase();
  for (const box of boxes()) box.closest("li").hidden = !box.checked && !box.value.includes(wanted);
});

// Scoring ----------------------------------------------------------------------------------------

// XMLHttpRequest, because fetch says nothing about how far an upload is.
function upload(file, chosen) {
  const drugs = chosen.map((box) => box.value).join(",");
  const query = new URLSearchParams({ family: chosen.map((box) => box.dataset.family).join(","), name: file.name });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/jobs/${encodeURIComponent(drugs)}?${query}`);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress(`Sending ${file.name}`, event.loaded / event.total);
    request.onerror = () => reject(new Error(noConnection()));
    request.onload = () => {
      let said = {};
      try { said = JSON.parse(request.responseText); } catch { /* no message */ }
      if (request.status === 202) resolve(said);
      else reject(new Error(said.error || noWords()));
    };
    request.send(file);
  });
}

function summaryLine(drug) {
  const calls = CALLS.filter((call) => drug.calls[call] > 0).map((call) => `${drug.calls[call].toLocaleString("en")} ${call}`);
  const line = made("li", `${drug.drug}: ${calls.join(", ") || "no cell could be scored"}`);
  line.append(bar(drug.calls, CALLS.reduce((sum, call) => sum + drug.calls[call], 0)));
  const model = drug.model;
  line.append(made("small", `Threshold ${drug.threshold.toFixed(3)}. Scored by ${model.name}, version ${model.version}: ${model.candidate}.`));
  return line;
}

function noteLines(found) {
  const lines = [...found.notes];
  for (const drug of found.drugs) {
    const before = found.drugs.length > 1 ? `${drug.drug}: ` : "";
    lines.push(`${before}${drug.model.labels}`, ...drug.notes.map((note) => `${before}${note}`));
    for (const [reason, n] of Object.entries(drug.reasons)) lines.push(`${before}${counted(n, "cell")} without a score: ${reason}`);
    if (drug.model.simulated) lines.push(`${before}The model was trained on simulated data.`);
  }
  return [...new Set(lines)];
}

function figure(kind, place, drug) {
  const whole = made("figure");
  whole.id = `${kind}-${place}`;
  const what = kind === "map" ? "Map" : "Histogram";
  const says = kind === "map" ? "The cells on a map: near cells are alike, distances mean little" : "How the scores are spread";
  whole.append(made("div", kind === "map" ? "The map is being drawn" : "", "waiting"));
  whole.append(made("figcaption", `${drug}. ${says}.`));
  whole.dataset.alt = `${what} of the cells for ${drug}, by their score; the table above has the numbers`;
  return whole;
}

// The frame of the map is there at once, so that nothing moves when the map comes.
function showResult(found) {
  const file = found.file || "Your file";
  element("result-title").textContent = `4. Result: ${file}, ${counted(found.n_cells, "cell")}`;
  element("summary").replaceChildren(...found.drugs.map(summaryLine));
  element("left-out").replaceChildren(...found.left_out.map((one) => made("p", `${one.drug} could not be scored. ${one.why}`)));
  show("left-out", found.left_out.length > 0);
  element("sets").replaceChildren(...found.sets.map((sentence) => made("p", sentence)));
  show("sets-of-drugs", found.sets.length > 0);
  const part = found.rows.length < found.n_cells ? ` (the first ${found.rows.length})` : "";
  element("cells-title").textContent = `Cells${part}`;
  fillTable(element("cells"), found.columns, found.rows);
  element("pictures").replaceChildren(...found.drugs.flatMap((drug, place) => [
    figure("histogram", place, drug.drug), figure("map", place, drug.drug),
  ]));
  element("by").replaceChildren(new Option("Choose a column", ""), ...found.groups.map((name) => new Option(name, name)));
  element("groups").replaceChildren();
  element("groups-state").textContent = "";
  show("grouping", found.groups.length > 0);
  show("result");
  element("result").focus();
}

async function picture(kind, place, current) {
  const whole = element(`${kind}-${place}`);
  if (!whole || whole.querySelector("img")) return;
  const name = place === 0 ? `${kind}.png` : `${kind}-${place + 1}.png`;
  const blob = await (await ask(`/jobs/${current}/${name}`)).blob();
  const image = made("img");
  image.alt = whole.dataset.alt;
  image.src = URL.createObjectURL(blob);
  whole.querySelector(".waiting").replaceWith(image);
}

function noMap(why) {
  for (const whole of element("pictures").querySelectorAll("figure[id^=map-]")) {
    const waiting = whole.querySelector(".waiting");
    if (waiting) waiting.textContent = why ? `No map: ${why}` : "No map";
  }
}

const SAID = {
  drawing: "Scored. The map is being drawn.",
  done: "Finished.",
};

async function follow(current, file) {
  let isShown = false;
  while (job === current) {
    const about = await (await ask(`/jobs/${current}`)).json();
    if (job !== current) return;
    if (about.state === "failed") throw new Error(about.error);
    const scored = Math.floor(about.n_done / about.n_drugs);
    progress(SAID[about.state] || `Scoring ${file}: ${counted(scored, "cell")} done`, about.state === "done" ? 1 : undefined);
    if (about.result) {
      if (!isShown) showResult(about.result);
      isShown = true;
      element("go").disabled = false;
      for (const button of document.querySelectorAll("[data-file]")) {
        button.disabled = !about.files.includes(button.dataset.file);
        button.dataset.name = about.names[button.dataset.file] || button.dataset.file;
      }
      for (let place = 0; place < about.result.drugs.length; place += 1) {
        for (const kind of ["histogram", "map"]) {
          const name = place === 0 ? `${kind}.png` : `${kind}-${place + 1}.png`;
          if (about.files.includes(name)) await picture(kind, place, current);
        }
      }
    }
    if (about.state === "done") {
      noMap(about.result.map_left_out);
      element("notes").replaceChildren(...noteLines(about.result).map((line) => made("li", line)));
      return;
    }
    if (about.result) element("notes").replaceChildren(...noteLines(about.result).map((line) => made("li", line)));
    await new Promise((resume) => setTimeout(resume, 400));
  }
}

function faultOfForm(chosen, file) {
  if (chosen.length === 0) return ["Choose a drug first.", boxes()[0]];
  if (chosen.length > mostDrugs) return [`Choose at most ${mostDrugs} drugs at once.`, chosen[0]];
  if (new Set(chosen.map((box) => box.value)).size < chosen.length) return ["Choose one model for each drug.", chosen[0]];
  if (!file) return ["Choose a file with cells first.", element("file")];
  if (file.size > maxMb * 1e6) {
    return [`${file.name} is larger than ${maxMb} MB, and this server takes no larger files.\nSave fewer cells in one file, and score the files one after the other.`, element("file")];
  }
  return null;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = element("file").files[0];
  const chosen = boxes().filter((box) => box.checked);
  for (const id of ["fault", "result", "progress"]) show(id, false);
  const fault = faultOfForm(chosen, file);
  if (fault) {
    fail(fault[0], "Something is missing");
    return;
  }
  element("go").disabled = true;
  let current = null;
  try {
    progress(`Sending ${file.name}`, 0);
    current = (await upload(file, chosen)).job;
    job = current;
    await follow(current, file.name);
  } catch (error) {
    if (job === current || current === null) fail(error.message, `${file.name} could not be scored`);
  }
});

// The result -------------------------------------------------------------------------------------

element("by").addEventListener("change", async () => {
  const column = element("by").value;
  element("groups").replaceChildren();
  element("groups-state").textContent = column ? "Counting the cells" : "";
  if (!column) return;
  try {
    const { groups } = await (await ask(`/jobs/${job}/groups?${new URLSearchParams({ by: column })}`)).json();
    if (element("by").value !== column) return;
    const drugs = Object.keys(groups[0].drugs);
    element("groups").replaceChildren(...drugs.map((drug) => groupTable(drug, column, groups)));
    element("groups-state").textContent = `${counted(groups.length, "group")} of ${column}. Shares are of the cells with a score.`;
  } catch (error) {
    element("groups-state").textContent = error.message;
  }
});

for (const button of document.querySelectorAll("[data-file]")) {
  button.addEventListener("click", async () => {
    try {
      const blob = await (await ask(`/jobs/${job}/${button.dataset.file}`)).blob();
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = button.dataset.name;
      link.click();
    } catch (error) {
      fail(error.message, "The file could not be fetched");
    }
  });
}

element("print").addEventListener("click", () => window.print());

element("forget").addEventListener("click", async () => {
  const removed = job;
  job = null;
  await ask(`/jobs/${removed}`, { method: "DELETE" }).catch(() => {});
  show("result", false);
  progress("The file and its results were removed from the server.", 1);
  element("file").value = "";
  element("go").focus();
});

const drop = element("drop");
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
  });
}
drop.addEventListener("drop", (event) => {
  if (!element("file").disabled) element("file").files = event.dataTransfer.files;
});

if (needsToken) {
  element("token").value = sessionStorage.getItem("token") || "";
  element("token").addEventListener("change", () => {
    sessionStorage.setItem("token", element("token").value);
    readLibrary();
  });
}
if (!needsToken || element("token").value) {
  readLibrary();
} else {
  element("library-state").textContent = "Type the access token to see the models of this server.";
}
