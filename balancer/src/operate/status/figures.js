// From two looks at counters to what they say: rates, shares, percentiles, and words for them.
// Nothing here touches the page.

/** The time over which rates and percentiles are taken, in seconds. */
export const WINDOW = 10;
/** Points of a small curve, one a second. */
export const CURVE = 60;

/**
 * The looks to keep after one more: those of the window. Looks at another run of the balancer are worthless: its
 * counters began anew.
 */
export function remember(looks, look) {
  const last = looks.at(-1);
  const same = last && last.uptime_seconds < look.uptime_seconds;
  const kept = same ? looks.filter((one) => look.uptime_seconds - one.uptime_seconds <= WINDOW + 0.5) : [];
  return [...kept, look];
}

/** A curve after one more point. */
export function lengthen(curve, value) {
  return [...curve, value].slice(-CURVE);
}

/** How much a counter has grown; one that is smaller than before was counted from nothing. */
export function growth(now = 0, before = 0) {
  return now >= before ? now - before : now;
}

/** By how much a second; null where no time has passed. */
export function rate(now, before, seconds) {
  return seconds > 0 ? growth(now, before) / seconds : null;
}

/** The sum of an object's numbers. */
export function total(counts = {}) {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** A histogram `{first, counts}`, of which zeros at both ends are left out, as plain counts. */
export function whole(histogram, buckets) {
  const counts = new Array(buckets).fill(0);
  (histogram?.counts ?? []).forEach((count, index) => { counts[histogram.first + index] = count; });
  return counts;
}

/** What came to a histogram between two looks. */
export function grown(now, before) {
  const fresh = now.some((count, index) => count < before[index]);
  return fresh ? now : now.map((count, index) => count - before[index]);
}

/** Two histograms in one. */
export function merged(a, b) {
  return a.map((count, index) => count + b[index]);
}

/**
 * The value below which this share of a histogram lies, evenly spread inside a bucket; null when it is empty. `bounds`
 * are the upper ends of the buckets.
 */
export function percentile(bounds, counts, share) {
  const wanted = total(counts) * share;
  if (wanted === 0) return null;
  let below = 0;
  for (const [index, count] of counts.entries()) {
    if (count > 0 && below + count >= wanted) {
      const lower = index === 0 ? 0 : bounds[index - 1];
      return lower + (bounds[index] - lower) * (wanted - below) / count;
    }
    below += count;
  }
  return bounds.at(-1);
}

/** The points of a curve as SVG writes them, from its right end; the largest value touches the top. */
export function points(curve, width, height) {
  const most = Math.max(...curve.map((value) => value ?? 0), 1e-9);
  const step = width / (CURVE - 1);
  const left = width - step * (curve.length - 1);
  const place = (value, index) =>
    `${(left + step * index).toFixed(1)},${(height - 1 - (value ?? 0) / most * (height - 2)).toFixed(1)}`;
  return curve.map(place).join(" ");
}

/** A rate, as short as it can be read. */
export function rateText(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(value >= 100_000 ? 0 : 1)}k`;
  if (value >= 100 || Number.isInteger(value)) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** Milliseconds, as short as they can be read. */
export function latencyText(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds >= 10_000) return `${(milliseconds / 1000).toFixed(0)} s`;
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  if (milliseconds >= 100) return `${milliseconds.toFixed(0)} ms`;
  return `${milliseconds.toFixed(milliseconds >= 10 ? 1 : 2)} ms`;
}

/** A share, as a percentage; null where there is nothing to share. */
export function shareText(part, of) {
  return of > 0 ? `${(100 * part / of).toFixed(part === of ? 0 : 1)} %` : "–";
}

/** A time that has passed, in its two largest units. */
export function durationText(seconds) {
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  let left = Math.floor(seconds);
  return units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count > 0 ? `${count} ${unit}` : "";
  }).filter(Boolean).join(" ");
}

/** A moment of RFC 3339, to the second: whoever compares it with a log finds the same there. */
export function momentText(at) {
  return `${at.slice(0, 19).replace("T", " ")} UTC`;
}

/** Bytes, in the unit that fits. */
export function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}
