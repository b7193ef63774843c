// Idempotency keys. One intent (this call, this body) keeps its key until a definite answer
// came, so a retry after a lost connection cannot hold or pay twice.

/** A random UUID; `randomUUID` exists only on https and localhost. */
export function uuid(source = globalThis.crypto) {
  if (typeof source.randomUUID === "function") return source.randomUUID();
  const bytes = source.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The keys of the intents that have no definite answer yet. */
export class Intents {
  #keys = new Map();

  constructor(makeKey = uuid) {
    this.makeKey = makeKey;
  }

  /** The same call with the same body gets the same key; another body is another intent. */
  keyFor(call, body) {
    const intent = `${call} ${JSON.stringify(body)}`;
    if (!this.#keys.has(intent)) this.#keys.set(intent, this.makeKey());
    return this.#keys.get(intent);
  }

  /** A definite answer came: the next time is a new intent. */
  settle(call, body) {
    this.#keys.delete(`${call} ${JSON.stringify(body)}`);
  }
}
