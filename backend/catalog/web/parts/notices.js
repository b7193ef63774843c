// Messages that come by themselves: shown until dismissed, spoken when they appear, in one of many tabs.

import { h } from "../dom.js";
import { onSpeaker, speaks } from "../tabs.js";

const SHOWN_MAX = 4;

onSpeaker((now) => document.getElementById("notices").setAttribute("aria-live", now ? "polite" : "off"));

/** `{title, text, link: {href, label}, urgent}`; one `key` is on screen once. */
export function notice({ key, title, text, link, urgent = false }) {
  const region = document.getElementById("notices");
  region.querySelector(`[data-key="${CSS.escape(key)}"]`)?.remove();
  const box = h("div", {
    class: urgent ? "notice notice-urgent" : "notice",
    role: urgent && speaks() ? "alert" : null,
    "data-testid": "notice",
    "data-key": key,
  });
  const dismiss = () => box.remove();
  box.append(
    h("div", { class: "notice-words" },
      h("strong", {}, title),
      text && h("p", {}, text),
      link ? h("p", {}, h("a", { href: link.href, on: { click: dismiss } }, link.label)) : ""),
    h("button", { type: "button", class: "dismiss", "aria-label": `Dismiss: ${title}`, on: { click: dismiss } }, "×"),
  );
  region.append(box);
  while (region.children.length > SHOWN_MAX) region.firstElementChild.remove();
}

/** Takes back a message that is no longer true. */
export function withdraw(key) {
  document.querySelector(`#notices [data-key="${CSS.escape(key)}"]`)?.remove();
}
