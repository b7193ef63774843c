// Says something to a screen reader, politely, without moving the focus.

/** The region is emptied first, so the same words twice are said twice. */
export function announce(words) {
  const region = document.getElementById("announcer");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = words; });
}
