// How long to pause before trying again. Pure: the random number is an argument.

/** Doubles from `first` to `most` milliseconds; jitter spreads it over the upper half. */
export function pauseMs(attempt, random, { first = 500, most = 15_000 } = {}) {
  const full = Math.min(most, first * 2 ** attempt);
  return Math.round(full / 2 + (full / 2) * random);
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
