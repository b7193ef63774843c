// The title of this tab: where the visitor is, and for a while what must not be missed.

const FLASH_MS = 1_000;

let quiet = "Marquee";
let loud = "";
let timer = 0;

/** Where the visitor is; null for nowhere in particular. */
export function setTitle(page) {
  quiet = page ? `${page} · Marquee` : "Marquee";
  if (!loud) draw(quiet);
}

/** Changes between these words and the title until `calm()`; for whoever wants no motion they just stay. */
export function flash(words, { still = false } = {}) {
  calm();
  loud = words;
  draw(loud);
  if (!still) timer = setInterval(() => draw(document.title === loud ? quiet : loud), FLASH_MS);
}

export function calm() {
  clearInterval(timer);
  loud = "";
  draw(quiet);
}

function draw(words) {
  if (document.title !== words) document.title = words;
}
