// Joins the line of a show, and goes to the place in it.

import { post } from "../api.js";
import { keepEntry } from "../memory.js";
import { navigate } from "../router.js";
import { to } from "../routes.js";
import { whileBusy } from "./busy.js";

/** `refused(problem)` is told why not; who stands in this line already is led to their place. */
export function join(show, wish, button, refused) {
  return whileBusy(button, async () => {
    try {
      await enter(await post(`/api/shows/${encodeURIComponent(show.id)}/waitlist`, wish));
    } catch (problem) {
      const id = problem.body?.entry_id; // joined before, with another wish
      if (id) await enter({ id, show_id: show.id });
      else refused(problem);
    }
  });
}

function enter(entry) {
  keepEntry(entry);
  return navigate(to.waitlist(entry.id));
}
