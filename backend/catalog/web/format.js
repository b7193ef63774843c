// Turns amounts, instants and lists into words. Pure: time zones and "now" are arguments.

const LOCALE = "en-US";

/** `{amount: 1250, currency: "USD"}` (minor units) → "$12.50". */
export function money(price) {
  if (!price) return "";
  const style = new Intl.NumberFormat(LOCALE, { style: "currency", currency: price.currency });
  return style.format(price.amount / 10 ** style.resolvedOptions().maximumFractionDigits);
}

/** "12.50" or "12,5" in a currency → `{amount: 1250, currency}`. */
export function minor(text, currency) {
  const { maximumFractionDigits: digits } = new Intl.NumberFormat(LOCALE, { style: "currency", currency }).resolvedOptions();
  return { amount: Math.round(Number(text.trim().replace(",", ".")) * 10 ** digits), currency };
}

/** `count` times a price. */
export function times(price, count) {
  return price && { ...price, amount: price.amount * count };
}

/** The hour on the wall of the theater, or of the browser when the zone is not known. */
export function clockTime(instant, timeZone) {
  return inZone({ hour: "numeric", minute: "2-digit" }, timeZone).format(new Date(instant));
}

/** "Tue, Nov 24". */
export function dayName(instant, timeZone) {
  return inZone({ weekday: "short", month: "short", day: "numeric" }, timeZone).format(new Date(instant));
}

/** "Tue, Nov 24, 7:30 PM". */
export function dayAndTime(instant, timeZone) {
  return `${dayName(instant, timeZone)}, ${clockTime(instant, timeZone)}`;
}

/** The calendar day of an instant in a zone, as YYYY-MM-DD. */
export function isoDay(instant, timeZone) {
  const parts = inZone({ year: "numeric", month: "2-digit", day: "2-digit" }, timeZone)
    .formatToParts(new Date(instant));
  const part = (type) => parts.find((each) => each.type === type).value;
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** `count` calendar days from `first` (YYYY-MM-DD) on; summer time cannot skip one. */
export function daysFrom(first, count) {
  const start = Date.parse(`${first}T12:00:00Z`);
  return Array.from({ length: count }, (_, index) => isoDay(start + index * 86_400_000, "UTC"));
}

/** A calendar day's name: weekday and date, e.g. `{weekday: "Tue", date: "Nov 24"}`. */
export function dayLabel(day) {
  const noon = new Date(`${day}T12:00:00Z`);
  return {
    weekday: inZone({ weekday: "short" }, "UTC").format(noon),
    date: inZone({ month: "short", day: "numeric" }, "UTC").format(noon),
  };
}

/** Seconds left → "4:07"; never below zero. */
export function countdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** Seconds left, to be spoken: "4 minutes 7 seconds". */
export function spokenCountdown(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  const minutes = Math.floor(left / 60);
  const rest = left % 60;
  const words = [minutes && plural(minutes, "minute"), (rest || !minutes) && plural(rest, "second")];
  return words.filter(Boolean).join(" ");
}

/** "1 seat", "2 seats". */
export function plural(count, noun, many = `${noun}s`) {
  return `${count} ${count === 1 ? noun : many}`;
}

/** ["A1","A2","A3"] → "A1, A2 and A3". */
export function list(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** 129 → "2 h 9 min". */
export function runtime(minutes) {
  if (!minutes) return "";
  const hours = Math.floor(minutes / 60);
  return [hours && `${hours} h`, minutes % 60 && `${minutes % 60} min`].filter(Boolean).join(" ");
}

const formats = new Map();

function inZone(options, timeZone) {
  const key = JSON.stringify([options, timeZone]);
  if (!formats.has(key)) formats.set(key, makeFormat(options, timeZone));
  return formats.get(key);
}

function makeFormat(options, timeZone) {
  try {
    return new Intl.DateTimeFormat(LOCALE, { ...options, timeZone });
  } catch {
    return new Intl.DateTimeFormat(LOCALE, options); // a zone this browser does not know
  }
}
