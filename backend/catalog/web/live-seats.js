// The live picture of one show's seats, as a pure reducer. Versions grow by one; a message
// that is not the next one means something was missed, and a snapshot must be asked for.
// The picture never goes back to an older version. No sockets and no timers in here.

const WAITING_MAX = 256;

/** Nothing is known yet. */
export function unknown() {
  return { known: false, version: -1, seats: {}, asking: false, waiting: [] };
}

/** The socket was lost: what comes next must be a snapshot. */
export function interrupted(picture) {
  return { ...picture, asking: true, waiting: [] };
}

/** Takes one message; `ask` is true when a fresh snapshot must be asked for now. */
export function take(picture, message) {
  if (message.type === "snapshot") return takeSnapshot(picture, message);
  if (message.type === "seats") return takeChanges(picture, message);
  return { picture, ask: false };
}

/** A snapshot older than the picture is a server that lags: the picture stays. */
function takeSnapshot(picture, { version, seats }) {
  const newer = version >= picture.version;
  const base = newer ? { known: true, version, seats: { ...seats } } : picture;
  const settled = { ...base, known: true, asking: false, waiting: [] };
  return replay(settled, picture.waiting);
}

function takeChanges(picture, message) {
  if (message.version <= picture.version) return { picture, ask: false };
  if (picture.known && !picture.asking && message.version === picture.version + 1) {
    return { picture: apply(picture, message), ask: false };
  }
  const waiting = [...picture.waiting, message].slice(-WAITING_MAX);
  return { picture: { ...picture, asking: true, waiting }, ask: !picture.asking };
}

/** Changes that overtook the snapshot; a hole among them asks once more. */
function replay(settled, waiting) {
  let result = { picture: settled, ask: false };
  for (const message of waiting) {
    const next = takeChanges(result.picture, message);
    result = { picture: next.picture, ask: result.ask || next.ask };
  }
  return result;
}

function apply(picture, { version, changes }) {
  const seats = { ...picture.seats };
  for (const [seat, status] of Object.entries(changes)) {
    if (status === "free") delete seats[seat];
    else seats[seat] = status;
  }
  return { ...picture, version, seats };
}
