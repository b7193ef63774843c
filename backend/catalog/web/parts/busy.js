// Runs an action once at a time: its button says so and ignores further clicks.

/** Marks `button` busy while `action` runs. Stays focusable, so the focus is not lost. */
export async function whileBusy(button, action) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  button.setAttribute("aria-disabled", "true");
  try {
    await action();
  } finally {
    button.removeAttribute("aria-busy");
    button.removeAttribute("aria-disabled");
  }
}
