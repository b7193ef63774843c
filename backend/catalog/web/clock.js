// What time it is for the server. Deadlines are the server's; a browser whose clock is wrong
// would otherwise count down to the wrong moment. The only module that reads the time.

const TRUST_MS = 2_000; // less is no difference: the Date header took time to arrive
const HALF_SECOND_MS = 500; // and it is cut to whole seconds

let offsetMs = 0;

/** Milliseconds since the epoch, as the server counts them. */
export function now() {
  return Date.now() + offsetMs;
}

/** Learns from an answer made just now; a cached one carries an old Date and must not be given. */
export function learn(dateHeader) {
  const server = Date.parse(dateHeader ?? "");
  if (Number.isNaN(server)) return;
  const difference = server + HALF_SECOND_MS - Date.now();
  offsetMs = Math.abs(difference) > TRUST_MS ? difference : 0;
}

/** Seconds until an RFC 3339 instant; negative when it has passed. */
export function secondsUntil(instant) {
  return (Date.parse(instant) - now()) / 1000;
}
