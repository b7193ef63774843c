// How the visitor wants to be called when it is their turn and they look elsewhere: not at all, unless they say so.

import { allow, allowed, onAllowed } from "../attention.js";
import { chime } from "../chime.js";
import { h } from "../dom.js";

export function attentionControl(signal) {
  const sound = box("attention-sound", "Play a sound");
  const flash = box("attention-flash", "Flash the title of this tab");
  const draw = (choice) => {
    sound.input.checked = choice.sound;
    flash.input.checked = choice.flash;
  };
  const chosen = () => allow({ sound: sound.input.checked, flash: flash.input.checked });
  sound.input.addEventListener("change", () => {
    chosen();
    if (sound.input.checked) chime();
  });
  flash.input.addEventListener("change", chosen);
  onAllowed(draw, signal);
  draw(allowed());
  return h("fieldset", { class: "panel attention", "data-testid": "attention" },
    h("legend", {}, "When it is your turn"),
    sound.element, flash.element,
    h("p", { class: "quiet" }, "Remembered in this browser. Of many tabs only the one you looked at last does it."));
}

function box(id, words) {
  const input = h("input", { type: "checkbox", id, "data-testid": id });
  return { input, element: h("p", { class: "field-inline" }, input, h("label", { for: id }, words)) };
}
