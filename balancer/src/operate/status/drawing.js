// Puts a picture on the page. What is there already is changed, not made anew, so that a focus, a selection and an
// opened pool stay as they are. Data becomes text and attributes, never markup.

import {
  bytesText, durationText, latencyText, lengthen, points, rateText, shareText,
} from "./figures.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [120, 24];
/** A shape for each state, so that colour is not all there is. */
const SHAPES = { healthy: "●", unproven: "◌", out: "■", ejected: "▲", draining: "▽" };
const COLUMNS = ["endpoint", "state", "weight", "in flight", "sockets", "requests/s", "last minute", "p50", "p99", "errors/s"];

const tiles = new Map();
const pools = new Map();

/** Shows a picture; `status` is the look it ends with. */
export function draw({ totals, pools: all, trouble, reload }, status) {
  drawState(status, trouble);
  drawReload(reload);
  drawTiles(totals);
  drawTrouble(trouble);
  const onlyTrouble = document.querySelector("#only-trouble").checked;
  keep(pools, all, (pool) => pool.name, newPool, (view, pool) => drawPool(view, pool, onlyTrouble), document.querySelector("#pools"));
}

/** Shows whether the balancer answers; `lost` says for how long it has not, and why. */
export function drawContact(lost) {
  document.body.classList.toggle("lost", lost !== null);
  const words = lost ? `No contact for ${durationText(lost.seconds)}: what is shown is old${lost.told ? ` (${lost.told})` : ""}` : "Live";
  write(document.querySelector("#contact"), words);
  if (lost) document.title = "no contact – Balancer";
}

function drawState(status, trouble) {
  const going = status.draining ? "going down" : "serving";
  write(document.querySelector("#state"), `${going} · version ${status.version} · up ${durationText(status.uptime_seconds)}`);
  document.body.classList.toggle("draining", status.draining);
  document.title = trouble.length > 0 ? `(${trouble.length}) Balancer` : "Balancer";
}

function drawReload({ words, failed }) {
  const element = document.querySelector("#reload");
  write(element, words);
  element.classList.toggle("bad", failed);
}

function drawTiles(totals) {
  const figures = [
    { name: "requests/s", text: rateText(totals.rate), value: totals.latest },
    { name: "5xx/s", text: rateText(totals.errors), value: totals.latest_errors, bad: totals.errors > 0 },
    { name: "p50", text: latencyText(totals.p50), value: totals.p50 },
    { name: "p99", text: latencyText(totals.p99), value: totals.p99 },
    { name: "in flight", text: String(totals.in_flight), value: totals.in_flight },
    { name: "sockets", text: String(totals.sockets), value: totals.sockets },
    { name: "retries/s", text: rateText(totals.retries), value: totals.retries },
    { name: "shed/s", text: rateText(totals.shed), value: totals.shed, bad: totals.shed > 0 },
    { name: "cache hits", text: shareText(totals.cache.hits, totals.cache.of), value: totals.cache.hits / (totals.cache.of || 1), note: bytesText(totals.cache.bytes) },
  ];
  keep(tiles, figures, (tile) => tile.name, newTile, drawTile, document.querySelector("#tiles"));
}

function drawTrouble(trouble) {
  const section = document.querySelector("#trouble");
  const list = section.querySelector("ul");
  section.hidden = trouble.length === 0;
  if (list.dataset.words === trouble.join("\n")) return;
  list.dataset.words = trouble.join("\n");
  list.replaceChildren(...trouble.map((words) => make("li", {}, words)));
}

function newTile(tile) {
  const [figure, note, curve] = [make("dd", { class: "figure" }), make("dd", { class: "note" }), newCurve(tile.name)];
  return { root: make("div", { class: "tile" }, make("dt", {}, tile.name), figure, note, make("dd", {}, curve.root)), figure, note, curve };
}

function drawTile(view, tile) {
  write(view.figure, tile.text);
  write(view.note, tile.note ?? "");
  view.root.classList.toggle("bad", tile.bad === true);
  drawCurve(view.curve, tile.value);
}

function newPool(pool) {
  const view = { endpoints: new Map(), curve: newCurve(`requests to ${pool.name}`) };
  view.serving = make("span", { class: "serving" });
  view.words = make("span", { class: "words" });
  view.about = make("p", { class: "about" });
  view.rows = make("tbody");
  const head = make("thead", {}, make("tr", {}, ...COLUMNS.map((column) => make("th", { scope: "col" }, column))));
  const summary = make("summary", {}, make("strong", {}, pool.name), view.serving, view.words, view.curve.root);
  const table = make("table", {}, make("caption", { class: "unseen" }, `Endpoints of ${pool.name}`), head, view.rows);
  view.root = make("details", { open: "", "data-pool": pool.name }, summary, view.about, make("div", { class: "scroll" }, table));
  return view;
}

function drawPool(view, pool, onlyTrouble) {
  write(view.serving, `${pool.serving} of ${pool.size} serve`);
  view.root.classList.toggle("bad", pool.serving === 0);
  view.root.classList.toggle("odd", pool.serving > 0 && pool.trouble.length > 0);
  write(view.words, poolWords(pool));
  write(view.about, aboutWords(pool));
  drawCurve(view.curve, pool.latest);
  const draw = (row, endpoint) => {
    row.root.hidden = onlyTrouble && endpoint.serves;
    drawEndpoint(row, endpoint);
  };
  keep(view.endpoints, pool.endpoints, (endpoint) => endpoint.address, newEndpoint, draw, view.rows);
}

function poolWords(pool) {
  return [
    `${rateText(pool.rate)} requests/s`,
    `p50 ${latencyText(pool.p50)}`,
    `p99 ${latencyText(pool.p99)}`,
    `5xx ${shareText(pool.failed, pool.answered)}`,
    `in flight ${pool.in_flight}`,
    `retries/s ${rateText(pool.retries)}`,
    `shed/s ${rateText(pool.shed)}`,
  ].join(" · ");
}

function aboutWords({ policy, discovery, limits }) {
  const age = discovery?.age_seconds;
  return [
    policy && `chosen by ${policy.replaceAll("_", " ")}`,
    discovery && `endpoints from ${discovery.source}`,
    discovery && (age === null ? "never found" : `last heard ${durationText(age)} ago`),
    discovery?.error,
    ...Object.entries(limits ?? {}).filter(([, value]) => value < 2 ** 32).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`),
  ].filter(Boolean).join(" · ");
}

function newEndpoint(endpoint) {
  const cells = COLUMNS.slice(1).map(() => make("td"));
  const curve = newCurve(`requests to ${endpoint.address}`);
  cells[5].append(curve.root);
  return { root: make("tr", { "data-address": endpoint.address }, make("th", { scope: "row" }, endpoint.address), ...cells), cells, curve };
}

function drawEndpoint(view, endpoint) {
  const [state, weight, inFlight, sockets, requests, , p50, p99, errors] = view.cells;
  view.root.dataset.state = endpoint.state;
  write(state, `${SHAPES[endpoint.state] ?? "◆"} ${endpoint.state}`);
  write(weight, String(endpoint.weight));
  write(inFlight, String(endpoint.in_flight));
  write(sockets, String(endpoint.sockets));
  write(requests, rateText(endpoint.rate));
  write(p50, latencyText(endpoint.p50));
  write(p99, latencyText(endpoint.p99));
  write(errors, rateText(endpoint.errors));
  errors.classList.toggle("bad", endpoint.errors > 0);
  drawCurve(view.curve, endpoint.latest);
}

function newCurve(label) {
  const line = document.createElementNS(SVG, "polyline");
  const root = document.createElementNS(SVG, "svg");
  const attributes = { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": `${label}, last minute` };
  for (const [name, value] of Object.entries(attributes)) root.setAttribute(name, value);
  root.append(line);
  return { root, line, values: [] };
}

function drawCurve(curve, value) {
  // Until there are two looks, there is no rate.
  if (value === null && curve.values.length === 0) return;
  curve.values = lengthen(curve.values, value);
  curve.line.setAttribute("points", points(curve.values, WIDTH, HEIGHT));
}

/** Makes the views in `parent` those of `items`, in their order. */
function keep(views, items, key, create, update, parent) {
  const wanted = new Set(items.map(key));
  for (const [name, view] of views) {
    if (wanted.has(name)) continue;
    view.root.remove();
    views.delete(name);
  }
  items.forEach((item, index) => {
    const name = key(item);
    if (!views.has(name)) views.set(name, create(item));
    const view = views.get(name);
    if (parent.children[index] !== view.root) parent.insertBefore(view.root, parent.children[index] ?? null);
    update(view, item);
  });
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Text that has not changed is left alone: a screen reader would say it again, a selection would be lost. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
