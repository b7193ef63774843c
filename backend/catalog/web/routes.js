// Which page an address means. Pure: addresses in, names and parameters out.

const PATTERNS = [
  ["films", /^\/$/],
  ["film", /^\/movies\/([^/]+)\/?$/],
  ["show", /^\/shows\/([^/]+)\/?$/],
  ["hold", /^\/holds\/([^/]+)\/?$/],
  ["bookings", /^\/bookings\/?$/],
  ["booking", /^\/bookings\/([^/]+)\/?$/],
  ["waitlist", /^\/waitlist\/([^/]+)\/?$/],
];

/** "/movies/7" → `{name: "film", id: "7"}`; null when no page has this address. */
export function match(path) {
  for (const [name, pattern] of PATTERNS) {
    const found = pattern.exec(path);
    if (found) return { name, id: found[1] === undefined ? null : decode(found[1]) };
  }
  return null;
}

/** The address of a page. */
export const to = {
  film: (id) => `/movies/${encodeURIComponent(id)}`,
  show: (id) => `/shows/${encodeURIComponent(id)}`,
  hold: (id) => `/holds/${encodeURIComponent(id)}`,
  booking: (id) => `/bookings/${encodeURIComponent(id)}`,
  waitlist: (id) => `/waitlist/${encodeURIComponent(id)}`,
};

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
