// Seats on hold: time left, pay, or give them back.

import { get, post, remove } from "../api.js";
import { h } from "../dom.js";
import { list, money, spokenCountdown } from "../format.js";
import { secondsUntil } from "../clock.js";
import { onNotice } from "../live.js";
import { forgetHold, keepHold } from "../memory.js";
import { recallEntries } from "../notifications.js";
import { whileBusy } from "../parts/busy.js";
import { keepEmail, keptEmail } from "../parts/kept-email.js";
import { withdraw } from "../parts/notices.js";
import { showCard } from "../parts/show-card.js";
import { errorLine } from "../parts/states.js";
import { timeLeft } from "../parts/time-left.js";
import { navigate, refresh } from "../router.js";
import { to } from "../routes.js";
import { loadShowIfPossible } from "../shows.js";

const CARDS = [
  ["ok", "Test card that is accepted"],
  ["declined", "Test card that is declined"],
  ["timeout", "Test card whose bank never answers"],
];

export async function holdPage({ id, signal }) {
  const hold = await get(`/api/holds/${encodeURIComponent(id)}`, { signal }).catch(gone);
  if (hold.status !== "on_hold") return over(hold);
  keepHold(hold);
  withdraw(`offer ${hold.id}`);
  const show = await loadShowIfPossible(hold.show_id, signal);
  onNotice(({ type, hold_id }) => type === "hold_expired" && hold_id === id && refresh(), signal);
  return { title: "Your seats", content: checkout(hold, show, signal) };
}

function checkout(hold, show, signal) {
  const error = errorLine();
  return h("article", { class: "narrow" },
    h("h1", {}, "These seats are yours, for now"),
    h("p", { class: "visually-hidden" }, `${spokenCountdown(secondsUntil(hold.expires_at))} left to book them.`),
    h("div", { class: "panel hold-panel", "data-testid": "hold", "data-hold-id": hold.id },
      showCard(show),
      h("p", {}, h("strong", {}, hold.seats.length === 1 ? "Seat " : "Seats ", list(hold.seats)),
        hold.price ? ` · ${money(hold.price)} in all` : ""),
      timeLeft(hold, signal)),
    paymentForm(hold, error),
    error.element,
    releaseButton(hold, error));
}

function paymentForm(hold, error) {
  const email = h("input", {
    id: "email", type: "email", required: true, autocomplete: "email", maxlength: 254, inputmode: "email",
    value: keptEmail(), "data-testid": "email", "aria-describedby": "email-why",
  });
  const token = h("select", { id: "payment", "data-testid": "payment-token" },
    CARDS.map(([value, words]) => h("option", { value }, words)));
  const button = h("button", { type: "submit", class: "button button-main", "data-testid": "confirm-button" },
    hold.price ? `Pay ${money(hold.price)} and book` : "Book");
  const submit = (event) => {
    event.preventDefault();
    const body = { email: email.value.trim(), payment: { token: token.value } };
    whileBusy(button, () => confirm(hold, body, error));
  };
  return h("form", { class: "checkout", on: { submit } },
    h("p", { class: "field" }, h("label", { for: "email" }, "E-mail"), email,
      h("span", { id: "email-why", class: "quiet" }, "Kept with your booking.")),
    h("p", { class: "field" }, h("label", { for: "payment" }, "Payment"), token,
      h("span", { class: "quiet" }, "This is a test provider: choose how the payment shall end.")),
    h("p", {}, button));
}

async function confirm(hold, body, error) {
  error.clear();
  keepEmail(body.email);
  try {
    const booking = await post(`/api/holds/${encodeURIComponent(hold.id)}/confirm`, body);
    await booked(hold, booking.id);
  } catch (problem) {
    if (problem.body?.booking_id) await booked(hold, problem.body.booking_id); // from another tab
    else if (problem.status === 410) await refresh();
    else error.show(problem);
  }
}

function booked(hold, bookingId) {
  forgetHold(hold.id);
  recallEntries(hold.id);
  return navigate(`${to.booking(bookingId)}?new=1`, { instead: true });
}

function releaseButton(hold, error) {
  const button = h("button", { type: "button", class: "button button-plain", "data-testid": "release-button" }, "Release these seats");
  button.addEventListener("click", () => whileBusy(button, async () => {
    try {
      await remove(`/api/holds/${encodeURIComponent(hold.id)}`).catch(passOver);
      forgetHold(hold.id);
      await navigate(to.show(hold.show_id), { instead: true });
    } catch (problem) {
      error.show(problem);
    }
  }));
  return h("p", {}, button);
}

/** The hold is over. Where to go from here depends on how it ended. */
function over(hold) {
  forgetHold(hold.id);
  const [heading, words] = ENDINGS[hold.status] ?? ENDINGS.expired;
  const content = h("section", { class: "panel narrow", "data-testid": "hold-over", "data-status": hold.status },
    h("h1", {}, heading),
    h("p", {}, words),
    h("p", { class: "actions" },
      hold.status === "booked" ? h("a", { class: "button", href: "/bookings" }, "My bookings") : null,
      hold.show_id ? h("a", { class: "button", href: to.show(hold.show_id) }, "Back to the seats") : h("a", { href: "/" }, "See what is playing")));
  return { title: heading, content };
}

const ENDINGS = {
  booked: ["Booked", "These seats are booked. Your ticket is under My bookings."],
  released: ["Released", "You gave these seats back."],
  expired: ["The time ran out", "These seats went back on sale. They may still be free."],
};

/** 410: the service remembers the hold only as over. */
function gone(error) {
  if (error.status !== 410) throw error;
  return { status: "expired", ...error.body.hold };
}

/** Released already, or over by itself: the wish is fulfilled either way. */
function passOver(error) {
  if (![404, 410].includes(error.status)) throw error;
}
