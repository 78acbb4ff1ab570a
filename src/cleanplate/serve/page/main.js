// The page: what its buttons and keys do.

import { dropped, isPdf, isTiff, picked } from "./adding.js";
import * as api from "./api.js";
import { Brushing } from "./brushing.js";
import { Mask } from "./mask.js";
import { query, showOptions } from "./options.js";
import { Queue } from "./queue.js";
import { Viewer } from "./viewer.js";
import { zip } from "./zip.js";

const $ = (id) => document.getElementById(id);

const viewer = new Viewer($("stage"), $("layer"), drawZoom);
const mask = new Mask($("mask"), maskChanged);
const queue = new Queue($("queue"), open);
const brushing = new Brushing(viewer, mask, { frame: $("frame"), cursor: $("cursor"), size: $("size") });
const made = new Map(); // addresses of results, by what they show
const MASKLESS = "This task needs a mask, and here documents take none.";
let tasks = [];
let opening = 0;
let stopping = null; // ends what is being cleaned

const task = () => tasks.find((one) => one.name === $("task").value);
const isDocument = (item) => Boolean(item.pages) || isPdf(item.file);
const paintable = () => Boolean(queue.current?.size) && !isDocument(queue.current) && task()?.mask !== "none";

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

function address(blob) {
  if (!made.has(blob)) made.set(blob, URL.createObjectURL(blob));
  return made.get(blob);
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    say(error.message, true);
  }
}

// Pictures ------------------------------------------------------------------------------------

function add(files) {
  queue.add(files);
  $("empty").hidden = queue.items.length > 0;
  if (files.length) say(`${files.length} added.`);
  refresh();
}

// Show a picture: as the browser does, or as the server's copy where it cannot; of a document, the first page.
async function open(item, former) {
  const mine = ++opening;
  brushing.finish();
  if (former?.own && mask.painted) former.mask = await mask.file();
  try {
    item.size ??= await measure(item);
  } catch (error) {
    if (item.state === "new") queue.set(item, { state: "failed", error: error.message });
    say(error.message, true);
    return;
  }
  if (mine !== opening) return; // another one was chosen meanwhile
  await show(item);
}

async function measure(item) {
  const image = $("before");
  image.src = item.url;
  try {
    await image.decode();
    return { width: image.naturalWidth, height: image.naturalHeight };
  } catch {
    const copy = await api.preview(item.file);
    item.url = address(copy.picture);
    item.pages = copy.report.pages;
    item.rows.thumb.src = item.url;
    return { width: copy.report.width, height: copy.report.height };
  }
}

// Show a picture, and its mask; one that is being brushed is left as it is, to be undone further.
async function show(item, brushed = false) {
  const after = item.result && (item.shown ?? (isDocument(item) ? null : item.result));
  const resized = after && (item.report.width !== item.size.width || item.report.height !== item.size.height);
  const { width, height } = resized ? item.report : item.size;
  $("layer").hidden = false;
  $("hint").hidden = true;
  $("before").src = item.url;
  $("after").hidden = !after;
  if (after) $("after").src = address(after);
  if (viewer.width !== width || viewer.height !== height || viewer.item !== item) viewer.show(width, height);
  viewer.item = item;
  $("compare").disabled = !after || resized;
  if (!brushed) {
    mask.reset(item.size.width, item.size.height);
    const given = item.own ? item.mask : item.found;
    if (given && !resized) await mask.load(given);
    mask.painted = false;
  }
  $("mask").hidden = Boolean(resized);
  compare();
  refresh();
}

// Cleaning ------------------------------------------------------------------------------------

async function clean(item, signal) {
  const chosen = task();
  if (item === queue.current && item.own && mask.painted) item.mask = await mask.file();
  const own = item.own && chosen.mask !== "none" ? item.mask : null;
  if (chosen.mask === "required" && !own) {
    queue.set(item, { state: "failed", error: isDocument(item) ? MASKLESS : "Brush first what is to be filled in." });
    return;
  }
  queue.set(item, { state: "working", progress: null });
  if (item === queue.current) say(`${item.path}: being cleaned…`);
  try {
    const done = isDocument(item) ? await cleanDocument(item, signal) : await cleanPicture(item, own, signal);
    if (item.result) release(item);
    queue.set(item, { state: "done", ...done });
  } catch (error) {
    if (error.name === "AbortError") queue.set(item, { state: item.result ? "done" : "new" });
    else queue.set(item, { state: "failed", error: error.message });
  }
}

async function cleanPicture(item, own, signal) {
  const { name, whole } = task();
  try {
    const { picture, mask: found, preview, report } = await api.clean(name, query($("options")), item.file, own, signal);
    return { result: picture, found: whole ? null : found, shown: preview, report };
  } catch (error) {
    // Whether a TIFF is a picture or has several pages, the server knows.
    if (error.status === 415 && isTiff(item.file)) return cleanDocument(item, signal);
    throw error;
  }
}

async function cleanDocument(item, signal) {
  const told = ({ pages, pages_done: done }) => {
    if (!pages) return;
    queue.set(item, { pages, progress: `${done} of ${pages} pages` });
    if (item === queue.current) say(`${item.path}: ${item.progress}`);
  };
  const { result, state } = await api.cleanDocument(task().name, query($("options")), item.file, signal, told);
  const first = await api.preview(result).catch(() => ({ picture: null, report: {} })); // too large to be shown
  const report = { ...item.size, ...state, ...first.report, edited: state.report.edited, same_format: true };
  return { result, found: null, shown: first.picture, report };
}

function release(item) {
  for (const blob of [item.result, item.shown]) {
    if (blob && made.has(blob)) URL.revokeObjectURL(made.get(blob));
    made.delete(blob);
  }
}

async function cleanAll(items) {
  stopping = new AbortController();
  for (const item of items) queue.set(item, { state: "waiting" });
  refresh();
  try {
    for (const item of items) {
      await cleanNext(item, stopping.signal);
      refresh();
    }
  } finally {
    stopping = null;
    refresh();
  }
  if (items.length > 1) say(`${items.filter((one) => one.state === "done").length} of ${items.length} cleaned.`);
}

async function cleanNext(item, signal) {
  if (signal.aborted) queue.set(item, { state: item.result ? "done" : "new" });
  else await clean(item, signal);
  if (item !== queue.current) return;
  if (item.state === "done" && item.size) await show(item, item.own);
  if (signal.aborted) say(`${item.path}: stopped.`);
  else say(item.state === "done" ? told(item) : `${item.path}: ${item.error}`, item.state !== "done");
}

function told(item) {
  const remarks = item.report.remarks.map((one) => ` ${one.text}.`).join("");
  const cleaned = item.report.pages ? `${item.report.edited} of ${item.report.pages} pages cleaned` : "cleaned";
  const what = item.report.unchanged ? "nothing was found, it is as it was" : cleaned;
  return `${item.path}: ${what}, ${item.report.seconds.toFixed(1)} s.${remarks}`;
}

// Files out: always the server's bytes --------------------------------------------------------

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say(`${name} is saved.`);
}

const stem = (name) => name.replace(/\.[^.]*$/, "");

const resultName = ({ report }, name) => (report.same_format ? name : stem(name) + report.suffix);

function saveResult() {
  const item = queue.current;
  if (item?.result) save(item.result, resultName(item, item.file.name));
}

async function saveAll() {
  const done = queue.items.filter((item) => item.result);
  say("The ZIP is being made…");
  save(await zip(done.map((item) => ({ name: resultName(item, item.path), blob: item.result }))), "cleanplate.zip");
}

// The mask as it was found has soft edges, so its own file is given as long as nothing is brushed.
async function saveMask() {
  const item = queue.current;
  save(item.own || !item.found ? await mask.file() : item.found, `${stem(item.file.name)}.png`);
}

// The mask ------------------------------------------------------------------------------------

function maskChanged() {
  const item = queue.current;
  if (mask.painted && item) item.own = mask.before.length > 0 || item.mask !== null;
  refresh();
}

async function loadMask(file) {
  await mask.load(file);
  Object.assign(queue.current, { own: true, mask: file });
  refresh();
}

async function dropMask() {
  Object.assign(queue.current, { own: false, mask: null });
  mask.painted = false;
  await show(queue.current);
}

// What is seen --------------------------------------------------------------------------------

function compare() {
  const { disabled } = $("compare");
  const after = !$("after").hidden;
  const at = disabled ? (after ? 0 : 100) : Number($("compare").value);
  const left = `inset(0 ${100 - at}% 0 0)`;
  $("before").style.clipPath = left;
  $("after").style.clipPath = `inset(0 0 0 ${at}%)`;
  $("mask").style.clipPath = after && brushing.tool === "pan" ? left : "none";
  $("line").hidden = disabled;
  $("line").style.left = `${at}%`;
}

function drawZoom(scale) {
  $("zoom").textContent = `${(scale * 100).toFixed(scale < 0.1 ? 1 : 0)} %`;
  $("line").style.width = `${2 / scale}px`;
  brushing?.draw();
}

function refresh() {
  const item = queue.current;
  const busy = Boolean(stopping);
  $("clean").disabled = !item || busy;
  $("stop").hidden = !busy;
  $("save-all").disabled = !queue.items.some((one) => one.result);
  $("clean-all").disabled = busy || !queue.items.some((one) => one.state === "new" || one.state === "failed");
  $("save").disabled = !item?.result;
  $("tool-set").querySelectorAll("input:not([value=pan])").forEach((one) => { one.disabled = !paintable(); });
  if (!paintable() && brushing.tool !== "pan") choose("pan");
  $("undo").disabled = !mask.before.length;
  $("redo").disabled = !mask.after.length;
  $("mask-save").disabled = !item?.size || isDocument(item);
  $("mask-load").disabled = !paintable();
  $("mask-auto").disabled = !item?.own;
  $("whose").textContent = whose(item);
  drawReport(item?.result ? item.report : null);
}

function whose(item) {
  const kind = task()?.mask;
  if (kind === "none") return "This task takes no mask.";
  if (item && isDocument(item)) return "Documents are cleaned without a mask of yours.";
  if (item?.own) return "Your mask is used.";
  return kind === "required" ? "Brush what is to be filled in." : "The task finds by itself.";
}

function drawReport(report) {
  const rows = !report ? [] : [
    ...(report.width ? [["Size", `${report.width} × ${report.height}`]] : []),
    ...(report.pages ? [["Pages", `${report.pages}, ${report.edited} cleaned`]] : []),
    ["Found", `${(100 * report.filled).toFixed(2)} %`],
    ["Doubt", report.doubt ?? "—"],
    ["Time", `${report.seconds.toFixed(1)} s`],
    ...report.remarks.map((one) => ["Note", one.text]),
  ];
  $("report").replaceChildren(...rows.flatMap(([name, value]) => [
    Object.assign(document.createElement("dt"), { textContent: name }),
    Object.assign(document.createElement("dd"), { textContent: value }),
  ]));
}

function chooseTask() {
  showOptions($("options"), task());
  $("summary").textContent = task().summary;
  refresh();
}

function choose(tool) {
  const radio = document.querySelector(`[name=tool][value=${tool}]`);
  if (radio.disabled) return;
  radio.checked = true;
  brushing.choose(tool);
  compare();
}

function nudge(id, by) {
  $(id).value = Number($(id).value) + by;
  $(id).dispatchEvent(new Event("input"));
}

// Buttons and keys ----------------------------------------------------------------------------

const KEYS = {
  c: () => $("clean").click(),
  x: () => $("stop").click(),
  s: () => $("save").click(),
  a: () => $("save-all").click(),
  j: () => queue.step(1),
  k: () => queue.step(-1),
  h: () => choose("pan"),
  b: () => choose("brush"),
  e: () => choose("eraser"),
  r: () => choose("rectangle"),
  m: () => $("shown").click(),
  "[": () => nudge("size", -4),
  "]": () => nudge("size", 4),
  ",": () => nudge("compare", -5),
  ".": () => nudge("compare", 5),
  "+": () => viewer.zoom(1.25),
  "-": () => viewer.zoom(0.8),
  0: () => viewer.fit(),
  1: () => viewer.zoom(1 / viewer.scale),
  "?": () => $("help").showModal(),
};

function key(event) {
  const typing = event.target.matches("select, input:not([type=radio], [type=checkbox], [type=range])");
  if (typing || $("help").open || event.altKey) return;
  const letter = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (letter === "y" || (letter === "z" && event.shiftKey)) mask.redo();
    else if (letter === "z") mask.undo();
    else return;
  } else if (KEYS[letter]) KEYS[letter]();
  else return;
  event.preventDefault();
}

function listen() {
  const on = (id, work) => $(id).addEventListener("click", () => attempt(work));
  on("add", () => $("files").click());
  on("clean", () => cleanAll([queue.current]));
  on("clean-all", () => cleanAll(queue.items.filter((one) => one.state === "new" || one.state === "failed")));
  on("stop", () => stopping?.abort());
  on("add-folder", () => $("folder").click());
  on("save", saveResult);
  on("save-all", saveAll);
  on("undo", () => mask.undo());
  on("redo", () => mask.redo());
  on("in", () => viewer.zoom(1.25));
  on("out", () => viewer.zoom(0.8));
  on("fit", () => viewer.fit());
  on("one", () => viewer.zoom(1 / viewer.scale));
  on("mask-save", saveMask);
  on("mask-load", () => $("mask-file").click());
  on("mask-auto", dropMask);
  on("help-open", () => $("help").showModal());
  for (const input of [$("files"), $("folder")]) {
    input.addEventListener("change", () => { add(picked(input.files)); input.value = ""; });
  }
  $("mask-file").addEventListener("change", () => attempt(async () => {
    await loadMask($("mask-file").files[0]);
    $("mask-file").value = "";
  }));
  $("task").addEventListener("change", chooseTask);
  $("options").addEventListener("submit", (event) => event.preventDefault());
  $("compare").addEventListener("input", compare);
  $("shown").addEventListener("change", () => $("mask").classList.toggle("off", !$("shown").checked));
  $("tool-set").addEventListener("change", (event) => choose(event.target.value));
  document.addEventListener("keydown", key);
  document.addEventListener("paste", (event) => add(picked(event.clipboardData.files)));
  document.addEventListener("dragover", (event) => { event.preventDefault(); $("stage").classList.add("over"); });
  document.addEventListener("dragleave", () => $("stage").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("stage").classList.remove("over");
    attempt(async () => add(await dropped(event.dataTransfer)));
  });
}

async function begin() {
  listen();
  brushing.choose("pan");
  refresh();
  ({ tasks } = await api.listTasks());
  $("task").append(...tasks.map((one) => new Option(words(one.name), one.name)));
  if (tasks.some((one) => one.name === "watermark")) $("task").value = "watermark";
  chooseTask();
}

const words = (name) => name[0].toUpperCase() + name.slice(1);

attempt(begin);
