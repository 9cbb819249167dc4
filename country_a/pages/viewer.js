// The viewer's page: steps through pictures, and shows with each what has to stand beside it.
//
// What stands beside a picture comes with it, in headers of its answer, so that it is never that of
// another. Nothing is kept but in memory, and nothing is fetched from elsewhere.
"use strict";

const AHEAD = 8; // pictures fetched before they are wanted
const AT_ONCE = 2; // fetches under way beside the one that is wanted
const KEPT = 400; // pictures held in memory
const PLAY_MILLISECONDS = 100;
const ZOOM = { step: 1.25, most: 8 };

const $ = (id) => document.getElementById(id);
const body = document.body;
const series = JSON.parse($("study").textContent);
const buttons = [...document.querySelectorAll("[data-series]")];
const expires = performance.now() + Number(body.dataset.seconds) * 1000;

let current = 0; // series
let place = 0; // picture in it
let direction = 1;
let zoom = 1;
let timer = 0;
const places = series.map(() => 0);
const stacks = series.map((one) =>
  one.images.flatMap(([of, instance, number, frames, key], index) =>
    Array.from({ length: frames }, (_, frame) => ({
      url: `${of}/${instance}/${frame + 1}`,
      index,
      number,
      frame: frame + 1,
      frames,
      key: Boolean(key),
    })),
  ),
);

// --- fetching ------------------------------------------------------------------------------------

const held = new Map(); // url → a promise of a picture, the oldest first
const ready = new Set();

function picture(url, told) {
  let found = held.get(url);
  if (found) {
    held.delete(url);
    if (told) found.told = told;
  } else {
    found = { told };
    found.promise = load(url, found).catch((error) => {
      held.delete(url);
      throw error;
    });
  }
  held.set(url, found);
  for (const [name, old] of held) {
    if (held.size <= KEPT) break;
    held.delete(name);
    ready.delete(name);
    old.promise.then((it) => URL.revokeObjectURL(it.source), () => {});
  }
  return found.promise;
}

async function load(url, entry) {
  const answer = await fetch(url, { cache: "no-store", credentials: "omit" });
  if (!answer.ok) throw Object.assign(new Error(url), { status: answer.status });
  const size = Number(answer.headers.get("Content-Length")) || 0;
  const pieces = [];
  let came = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    came += value.length;
    if (size && entry.told) entry.told(came / size);
  }
  const source = URL.createObjectURL(new Blob(pieces, { type: "image/jpeg" }));
  ready.add(url);
  return {
    source,
    side: answer.headers.get("Viewer-Laterality") || "",
    ratio: answer.headers.get("Viewer-Lossy-Ratio"),
  };
}

let fetching = 0;
function fetchAhead() {
  const stack = stacks[current];
  const wanted = [];
  for (let step = 1; step <= AHEAD; step += 1) {
    const next = stack[place + step * direction] || stack[place - step * direction];
    if (next && !held.has(next.url)) wanted.push(next.url);
  }
  while (fetching < AT_ONCE && wanted.length) {
    fetching += 1;
    picture(wanted.shift())
      .catch(() => {})
      .finally(() => {
        fetching -= 1;
        showProgress();
        fetchAhead();
      });
  }
}

// --- showing -------------------------------------------------------------------------------------

async function show(next) {
  const stack = stacks[current];
  const before = place;
  place = Math.min(Math.max(next, 0), stack.length - 1);
  if (place !== before) direction = place > before ? 1 : -1;
  places[current] = place;
  const one = stack[place];
  showPlace(one, stack);
  $("stage").setAttribute("aria-busy", "true");
  const waiting = setTimeout(() => showLoading(0), 120);
  const isWanted = () => stacks[current][place] === one;
  try {
    const it = await picture(one.url, (part) => {
      if (isWanted() && !$("loading").hidden) showLoading(part);
    });
    const decoded = new Image();
    decoded.src = it.source;
    await decoded.decode();
    if (!isWanted()) return;
    const image = $("picture");
    image.src = it.source;
    image.alt = said(one, it);
    image.dataset.url = one.url;
    $("sign").hidden = true;
    showBeside(it);
  } catch (error) {
    if (!isWanted()) return;
    showBeside({ side: "", ratio: null });
    showSign(error.status);
  } finally {
    clearTimeout(waiting);
    if (isWanted()) {
      $("loading").hidden = true;
      $("stage").setAttribute("aria-busy", "false");
      showProgress();
      fetchAhead();
    }
  }
}

function said(one, it) {
  const of = series[current];
  const words = [one.key ? "★" : "", of.modality, of.number === null ? "" : `#${of.number}`];
  words.push(`${one.index + 1}/${of.images.length}`);
  if (one.frames > 1) words.push(`${one.frame}/${one.frames}`);
  return [...words, it.side, it.ratio === null ? "" : lost(it.ratio)].filter(Boolean).join(" ");
}

// A ratio of each lossy step, as it is written; a question mark where a header names none.
const lost = (ratio) => (ratio || "?").split(",").map((each) => `${each}:1`).join(" ");

function showPlace(one, stack) {
  const of = series[current];
  $("place").textContent = `${one.index + 1} / ${of.images.length}`;
  $("key").hidden = !one.key;
  $("frame").hidden = one.frames === 1;
  $("frame").lastElementChild.textContent = `${one.frame} / ${one.frames}`;
  const slider = $("slider");
  slider.max = String(stack.length);
  slider.value = String(place + 1);
  slider.disabled = stack.length === 1;
  slider.setAttribute("aria-label", `${place + 1}/${stack.length}`);
}

function showBeside(it) {
  const side = it.side || series[current].laterality;
  $("laterality").dataset.side = side;
  $("laterality").setAttribute("aria-label", side || "–");
  $("side").textContent = { B: "R+L", U: "–", "": "–" }[side] ?? side;
  $("lossy").hidden = it.ratio === null;
  $("ratio").textContent = it.ratio === null ? "" : lost(it.ratio);
}

function showLoading(part) {
  const percent = Math.round(part * 100);
  $("loading").hidden = false;
  $("loading").setAttribute("aria-valuenow", String(percent));
  $("loading").querySelector(".done").style.strokeDasharray = `${percent} 100`;
  $("loading").lastElementChild.textContent = `${percent} %`;
}

function showProgress() {
  const stack = stacks[current];
  const percent = Math.round((100 * stack.filter((one) => ready.has(one.url)).length) / stack.length);
  $("series-progress").setAttribute("aria-valuenow", String(percent));
  $("series-progress").firstElementChild.style.width = `${percent}%`;
}

function showSign(status) {
  const gone = status === 410 || status === 403;
  $("sign").querySelector("use").setAttribute("href", gone ? "#hourglass" : "#broken");
  $("sign").lastElementChild.textContent = status ? String(status) : "";
  $("sign").hidden = false;
  body.dataset.state = "refused";
  stop();
}

function fit() {
  const image = $("picture");
  const room = $("stage");
  if (!image.naturalWidth) return;
  const scale = Math.min(
    room.clientWidth / image.naturalWidth,
    room.clientHeight / image.naturalHeight,
  );
  image.style.width = `${Math.max(1, Math.floor(image.naturalWidth * scale * zoom))}px`;
}

// --- doing ---------------------------------------------------------------------------------------

function choose(next) {
  stop();
  current = (next + series.length) % series.length;
  buttons.forEach((one, index) => one.setAttribute("aria-pressed", String(index === current)));
  buttons[current].scrollIntoView({ block: "nearest", inline: "nearest" });
  direction = 1;
  place = places[current];
  show(place);
}

function stop() {
  clearInterval(timer);
  timer = 0;
  showPlaying();
}

function play() {
  if (timer) return stop();
  if (stacks[current].length > 1) {
    timer = setInterval(() => {
      if ($("stage").getAttribute("aria-busy") === "false") show((place + 1) % stacks[current].length);
    }, PLAY_MILLISECONDS);
  }
  return showPlaying();
}

function showPlaying() {
  const button = document.querySelector("[data-do=play]");
  button.setAttribute("aria-pressed", String(Boolean(timer)));
  button.setAttribute("aria-label", timer ? "⏸" : "▶");
  button.querySelector("use").setAttribute("href", timer ? "#pause" : "#play");
}

function enlarge(next) {
  zoom = Math.min(Math.max(next, 1), ZOOM.most);
  fit();
}

function invert() {
  const on = $("stage").classList.toggle("inverted");
  document.querySelector("[data-do=invert]").setAttribute("aria-pressed", String(on));
}

// The next picture of another instance, for those of many frames.
function jump(way) {
  const stack = stacks[current];
  let next = place;
  while (stack[next] && stack[next].index === stack[place].index) next += way;
  if (stack[next]) show(way < 0 ? next - stack[next].frame + 1 : next);
}

const actions = {
  first: () => show(0),
  back: () => show(place - 1),
  play,
  forward: () => show(place + 1),
  last: () => show(stacks[current].length - 1),
  smaller: () => enlarge(zoom / ZOOM.step),
  fit: () => enlarge(1),
  larger: () => enlarge(zoom * ZOOM.step),
  invert,
};
const keys = {
  ArrowLeft: actions.back,
  ArrowRight: actions.forward,
  ArrowUp: () => choose(current - 1),
  ArrowDown: () => choose(current + 1),
  PageUp: () => jump(-1),
  PageDown: () => jump(1),
  Home: actions.first,
  End: actions.last,
  " ": actions.play,
  "+": actions.larger,
  "=": actions.larger,
  "-": actions.smaller,
  0: actions.fit,
  i: actions.invert,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onButton = event.target instanceof HTMLButtonElement;
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || (onButton && event.key === " ")) return;
  event.preventDefault();
  act();
});
document.querySelectorAll("[data-do]").forEach((button) => {
  button.addEventListener("click", () => actions[button.dataset.do]());
});
buttons.forEach((button, index) => button.addEventListener("click", () => choose(index)));
$("slider").addEventListener("input", () => show(Number($("slider").value) - 1));
$("stage").addEventListener(
  "wheel",
  (event) => {
    if (zoom > 1 || event.ctrlKey) return;
    event.preventDefault();
    show(place + Math.sign(event.deltaY));
  },
  { passive: false },
);
$("picture").addEventListener("load", () => {
  fit();
  // It may be drawn only after the next one was refused.
  if ($("sign").hidden) body.dataset.state = "shown";
});
new ResizeObserver(fit).observe($("stage"));

function showRemaining() {
  const seconds = Math.max(0, (expires - performance.now()) / 1000);
  $("remaining").textContent = seconds >= 60 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds)} s`;
}
showRemaining();
setInterval(showRemaining, 1000);

if (series.length) choose(0);
else showSign(404);
