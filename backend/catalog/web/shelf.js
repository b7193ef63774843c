// Things kept in a browser's storage, one item each, so that tabs which write at the same time do not
// undo each other. Knows no page; the storage is an argument.

/** Keeps things with an `id` under `prefix` in a Storage; in this tab alone where storage is forbidden or full. */
export class Shelf {
  #own = new Map();

  constructor(prefix, storage) {
    this.prefix = prefix;
    this.storage = storage;
  }

  /** Everything here, the oldest `order` first. */
  all(order) {
    const things = this.#keys().map((key) => this.#read(key)).filter(Boolean);
    return things.sort((a, b) => String(a[order]).localeCompare(String(b[order])));
  }

  get(id) {
    return this.#read(this.prefix + id);
  }

  /** Whether that changed anything. */
  put(thing) {
    const [key, text] = [this.prefix + thing.id, JSON.stringify(thing)];
    if (JSON.stringify(this.#read(key)) === text) return false;
    try {
      this.storage.setItem(key, text);
      this.#own.delete(key);
    } catch {
      this.#own.set(key, text);
    }
    return true;
  }

  /** Whether it was here. */
  drop(id) {
    const key = this.prefix + id;
    const here = this.#read(key) !== null;
    this.#own.delete(key);
    this.storage?.removeItem(key);
    return here;
  }

  #keys() {
    const stored = Array.from({ length: this.storage?.length ?? 0 }, (_, index) => this.storage.key(index));
    return [...new Set([...stored, ...this.#own.keys()])].filter((key) => key?.startsWith(this.prefix));
  }

  #read(key) {
    try {
      return JSON.parse(this.#own.get(key) ?? this.storage?.getItem(key) ?? null);
    } catch {
      return null;
    }
  }
}
