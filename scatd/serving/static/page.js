"use strict";

const element = (id) => document.getElementById(id);
const form = element("form");
const needsToken = form.dataset.needsToken === "yes";
let job = null;

// A header holds bytes: letters outside ASCII are sent as UTF-8.
function headers() {
  if (!needsToken) return {};
  const bytes = new TextEncoder().encode(element("token").value);
  return { Authorization: `Bearer ${String.fromCharCode(...bytes)}` };
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: headers() });
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.error || `The server answered ${answer.status}.`);
  }
  return answer;
}

function show(id, isShown = true) {
  element(id).hidden = !isShown;
}

function fail(message) {
  element("fault-text").textContent = message;
  show("progress", false);
  show("fault");
  element("go").disabled = false;
}

function progress(text, share) {
  element("state").textContent = text;
  if (share === undefined) element("bar").removeAttribute("value");
  else element("bar").value = share;
  show("progress");
}

// With a token, which models there are is asked for once it is known.
async function listDrugs() {
  const { drugs } = await (await ask("/drugs")).json();
  const options = drugs.map((model) => {
    const option = new Option(`${model.drug} (${model.family}, version ${model.version}, ${model.candidate})`, model.drug);
    option.dataset.family = model.family;
    return option;
  });
  element("drug").replaceChildren(...options);
  show("no-models", drugs.length === 0);
  show("fault", false);
}

// XMLHttpRequest, because fetch says nothing about how far an upload is.
function upload(file) {
  const chosen = element("drug").selectedOptions[0];
  const query = new URLSearchParams({ family: chosen.dataset.family });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/jobs/${encodeURIComponent(chosen.value)}?${query}`);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress("Sending the file", event.loaded / event.total);
    request.onerror = () => reject(new Error("The connection was lost."));
    request.onload = () => {
      let said = {};
      try { said = JSON.parse(request.responseText); } catch { /* no message */ }
      if (request.status === 202) resolve(said);
      else reject(new Error(said.error || `The server answered ${request.status}.`));
    };
    request.send(file);
  });
}

async function picture(id, name) {
  if (!element(id).hidden) return;
  const blob = await (await ask(`/jobs/${job}/${name}`)).blob();
  element(id).src = URL.createObjectURL(blob);
  show(id);
}

function cellText(value) {
  if (value === null) return "";
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(3) : String(value);
}

function row(kind, values) {
  const line = document.createElement("tr");
  for (const value of values) {
    const cell = document.createElement(kind);
    if (kind === "th") cell.scope = "col";
    cell.textContent = cellText(value);
    line.append(cell);
  }
  return line;
}

function counted(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

function showResult(found) {
  const calls = Object.entries(found.calls).filter(([, n]) => n > 0);
  const said = calls.map(([name, n]) => `${n} ${name}`).join(", ") || "none could be scored";
  element("summary").textContent =
    `${counted(found.n_cells, "cell")}: ${said}. Scored by ${found.model.name}, version ${found.model.version}: ${found.model.candidate}.`;
  const notes = [found.model.labels, ...found.notes];
  for (const [reason, n] of Object.entries(found.reasons)) notes.push(`${counted(n, "cell")} without a score: ${reason}`);
  if (found.model.simulated) notes.push("The model was trained on simulated data.");
  element("notes").replaceChildren(...notes.map((note) => {
    const item = document.createElement("li");
    item.textContent = note;
    return item;
  }));
  const shown = found.rows.length < found.n_cells ? ` (the first ${found.rows.length})` : "";
  element("cells-title").textContent = `Cells${shown}`;
  element("cells").tHead.replaceChildren(row("th", found.columns.map((name) => name.replace("_", " "))));
  element("cells").tBodies[0].replaceChildren(...found.rows.map((values) => row("td", values)));
  if (element("result").hidden) {
    show("result");
    element("result").focus();
  }
}

async function follow() {
  for (;;) {
    const about = await (await ask(`/jobs/${job}`)).json();
    if (about.state === "failed") throw new Error(about.error);
    progress(about.state === "scoring" ? `Scoring: ${counted(about.n_done, "cell")} done`
      : about.state === "drawing" ? "Scored. Drawing the map of the cells" : "Finished",
    about.state === "done" ? 1 : undefined);
    if (about.result) {
      showResult(about.result);
      for (const button of document.querySelectorAll("[data-file]")) {
        button.disabled = !about.files.includes(button.dataset.file);
      }
      if (about.files.includes("histogram.png")) await picture("histogram", "histogram.png");
      if (about.files.includes("map.png")) await picture("map", "map.png");
    }
    if (about.state === "done") {
      element("map-caption").textContent = about.result.map_left_out
        ? `No map: ${about.result.map_left_out}`
        : "The cells on a map (UMAP): near cells are alike, distances mean little";
      return;
    }
    await new Promise((resume) => setTimeout(resume, 400));
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = element("file").files[0];
  for (const id of ["fault", "result", "histogram", "map"]) show(id, false);
  if (file.size > Number(form.dataset.maxMb) * 1e6) {
    fail(`The file is larger than ${form.dataset.maxMb} MB.`);
    return;
  }
  element("go").disabled = true;
  try {
    progress("Sending the file", 0);
    job = (await upload(file)).job;
    await follow();
    element("go").disabled = false;
  } catch (error) {
    fail(error.message);
  }
});

for (const button of document.querySelectorAll("[data-file]")) {
  button.addEventListener("click", async () => {
    try {
      const blob = await (await ask(`/jobs/${job}/${button.dataset.file}`)).blob();
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = button.dataset.file;
      link.click();
    } catch (error) {
      fail(error.message);
    }
  });
}

element("forget").addEventListener("click", async () => {
  await ask(`/jobs/${job}`, { method: "DELETE" }).catch(() => {});
  for (const id of ["result", "progress"]) show(id, false);
});

const drop = element("drop");
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
  });
}
drop.addEventListener("drop", (event) => {
  element("file").files = event.dataTransfer.files;
});

if (needsToken) {
  element("token").value = sessionStorage.getItem("token") || "";
  element("token").addEventListener("change", () => {
    sessionStorage.setItem("token", element("token").value);
    listDrugs().catch((error) => fail(error.message));
  });
  if (element("token").value) listDrugs().catch((error) => fail(error.message));
}
