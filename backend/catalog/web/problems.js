// Says what went wrong in a sentence a visitor can act on. Pure.
// Known by `code`; else the server's own `detail`; else by status.

import { list, money, plural } from "./format.js";

const BY_CODE = {
  seats_unavailable: seatsUnavailable,
  leaves_single_seat: leavesSingleSeat,
  hold_expired: () => "The time for these seats ran out, and they were given back.",
  hold_released: () => "These seats were given back already.",
  extension_used: () => "These seats were given more time already, and only once is possible.",
  extension_not_offered: () => "There is no more time for these seats.",
  already_booked: () => "These seats are booked already. You find them under My bookings.",
  hold_not_found: () => "There is no such hold, or it belongs to another browser.",
  show_not_found: () => "There is no such show. It may have been taken off the program.",
  movie_not_found: () => "There is no such film.",
  booking_not_found: () => "There is no such booking, or it belongs to another browser.",
  entry_not_found: () => "There is no such place in line, or it belongs to another browser.",
  booking_cancelled: () => "This booking was cancelled; its ticket is void.",
  payment_declined: () => "The card was declined. Nothing was charged; your seats stay on hold, so try another card.",
  payment_unavailable: () => "The payment provider did not answer. Nothing was charged and your seats stay on hold; try again.",
  payment_token_unknown: () => "The payment provider does not know this card. Choose another one.",
  email_invalid: () => "That does not look like an e-mail address.",
  unknown_seats: () => "One of these seats does not exist in this auditorium.",
  no_seats: () => "Pick at least one seat.",
  duplicate_seat: () => "A seat was picked twice. Pick anew.",
  too_many_seats: () => "You can hold at most 10 seats at a time.",
  too_many_holds: () => "You have as many holds as one visitor may. Book or release one first.",
  show_started: () => "This show has started; its seats are no longer sold, and nobody waits for them.",
  show_over: () => "This show is over.",
  already_cancelled: () => "This booking was cancelled already.",
  already_waiting: () => "You are in line for this show already.",
  seats_available: () => "What you would wait for is free right now: select it instead of waiting.",
  line_full: () => "The line for this show is as long as lines get. Seats that come free may still be on sale now and then.",
  too_many_entries: () => "You stand in as many lines as one visitor may. Leave one first.",
  show_cancelled: () => "This show is cancelled; nobody can wait for it.",
  too_few_seats: () => "These are fewer seats than you need. Press more taken seats, or need fewer.",
  never_together: () => "No row of this auditorium has so many seats next to each other. Wait for fewer, or for seats apart.",
  auditorium_too_small: () => "This auditorium has not that many seats.",
  price_max_too_low: ({ price }) => `Seats of this show cost more than that${price ? `: ${money(price)} each` : ""}.`,
  invalid_price_max: () => "That is not a price for a seat.",
  invalid_email: () => "That does not look like an e-mail address.",
  mail_unavailable: () => "No mail is sent from here. Leave the address out, and keep a page open.",
  idempotency_key_under_way: () => "Your first request is still under way. Try again in a moment; nothing is done twice.",
  idempotency_key_reused: () => "This was sent before with other details. Please try again.",
  rate_limited: (problem) => `Too many requests at once. ${again(problem)}`,
  unavailable: (problem) => `We cannot reach our box office right now. ${again(problem)}`,
  network: () => "The connection is lost. Check your network; nothing is done twice when you try again.",
};

const BY_STATUS = {
  404: () => "This page does not exist, or it is not yours.",
  409: () => "Somebody was faster. Look again and choose anew.",
  410: () => "Too late: its time is over.",
  429: BY_CODE.rate_limited,
  502: BY_CODE.unavailable,
  503: BY_CODE.unavailable,
  504: BY_CODE.unavailable,
};

/** A problem (`{status, code, detail, …}`) → one or two sentences. */
export function sentence(problem) {
  const known = Object.hasOwn(BY_CODE, problem.code ?? "") && BY_CODE[problem.code];
  if (known) return known(problem);
  if (problem.detail) return asSentence(problem.detail);
  const general = BY_STATUS[problem.status];
  return general ? general(problem) : "Something went wrong on our side. Please try again.";
}

function seatsUnavailable(problem) {
  const lost = problem.unavailable ?? [];
  if (lost.length === 0) return "There are not that many seats free together.";
  return lost.length === 1 ? `Seat ${lost[0]} has just been taken.` : `Seats ${list(lost)} have just been taken.`;
}

function leavesSingleSeat(problem) {
  const left = problem.seats ?? [];
  const names = left.length === 0 ? "a single seat" : `${left.length === 1 ? "seat" : "seats"} ${list(left)}`;
  return `This would leave ${names} alone, with nobody beside. This theater asks you to choose seats that leave none.`;
}

function again(problem) {
  const seconds = problem.retry_after_seconds;
  return seconds > 0 ? `Try again in ${plural(seconds, "second")}.` : "Try again in a moment.";
}

function asSentence(detail) {
  const text = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
