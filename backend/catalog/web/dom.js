// Builds elements. Data becomes text nodes and attributes, never markup, so nothing a
// server or a user wrote can turn into HTML.

const SVG = "http://www.w3.org/2000/svg";

/** `h("a", {href, class, on: {click}}, "text", child)`; null and false are left out. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A symbol of index.html's glyph store; decorative, the words stand beside it. */
export function glyph(name) {
  return svg("svg", { class: "glyph", "aria-hidden": "true", focusable: "false" },
    svg("use", { href: `#glyph-${name}` }));
}

/** Replaces all that is in `element`. */
export function replace(element, ...children) {
  element.replaceChildren(...children.flat().filter(present));
  return element;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") listen(element, value);
    else if (value === true) element.setAttribute(name, "");
    else if (present(value)) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(2).filter(present));
  return element;
}

function listen(element, handlers) {
  for (const [event, handler] of Object.entries(handlers)) element.addEventListener(event, handler);
}

function present(value) {
  return value !== null && value !== undefined && value !== false;
}
