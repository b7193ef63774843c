// Draws a film's poster out of its id: no picture is fetched, every film looks like itself.

import { svg } from "../dom.js";

const WIDTH = 120;
const HEIGHT = 160;

/** A steady number from a text: FNV-1a, then mixed once so that like titles look unlike. */
export function hash(text) {
  let value = 0x811c9dc5;
  for (const letter of text) value = Math.imul(value ^ letter.codePointAt(0), 0x01000193) >>> 0;
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b) >>> 0;
  return (value ^ (value >>> 13)) >>> 0;
}

export function poster(movie) {
  const seed = hash(`${movie.id} ${movie.title}`);
  const hue = seed % 360;
  const draw = MOTIFS[(seed >>> 9) % MOTIFS.length];
  const paper = `hsl(${hue} 32% 24%)`;
  const light = `hsl(${(hue + 28) % 360} 62% 70%)`;
  const deep = `hsl(${(hue + 320) % 360} 42% 40%)`;
  return svg("svg", { class: "poster", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" },
    svg("rect", { width: WIDTH, height: HEIGHT, fill: paper }),
    draw({ light, deep, turn: (seed >>> 13) % 100 / 100 }));
}

const MOTIFS = [moon, beams, hills, reels, steps];

function moon({ light, deep, turn }) {
  return [
    svg("circle", { cx: 36 + 48 * turn, cy: 58, r: 34, fill: light }),
    svg("path", { d: `M0 118 Q60 ${84 + 30 * turn} 120 112 V160 H0Z`, fill: deep }),
  ];
}

function beams({ light, deep, turn }) {
  const foot = 20 + 80 * turn;
  return [
    svg("path", { d: `M${foot} 160 L-10 20 L30 0Z`, fill: deep }),
    svg("path", { d: `M${foot} 160 L60 0 L92 0Z`, fill: light }),
    svg("path", { d: `M${foot} 160 L130 30 L130 70Z`, fill: deep }),
  ];
}

function hills({ light, deep, turn }) {
  return [
    svg("path", { d: `M0 ${96 - 20 * turn} L40 44 L78 100 L98 72 L120 104 V160 H0Z`, fill: deep }),
    svg("path", { d: "M0 132 Q40 112 72 128 T120 122 V160 H0Z", fill: light }),
  ];
}

function reels({ light, deep, turn }) {
  return [
    svg("circle", { cx: 60, cy: 80, r: 46, fill: "none", stroke: light, "stroke-width": 7 }),
    svg("circle", { cx: 60, cy: 80, r: 25 - 8 * turn, fill: deep }),
    svg("circle", { cx: 60, cy: 80, r: 6, fill: light }),
  ];
}

function steps({ light, deep, turn }) {
  return [0, 1, 2, 3].map((step) => svg("rect", {
    x: 12 + 26 * step, y: 116 - 24 * step - 14 * turn, width: 18, height: 160, fill: step % 2 ? light : deep,
  }));
}
