/** Waiting for a condition: checked when something happened, never in a loop. */

/** How a value looks in an error: short. */
export function shown(value) {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length <= 300 ? text : `${text.slice(0, 200)}… (${text.length} characters) …${text.slice(-60)}`;
}

/**
 * Resolves with `check()`'s result as soon as that is not undefined.
 *
 * @param sources emitters whose "change" is a reason to look again; many in one turn of the event
 *   loop are one look
 * @param what what is waited for, in words
 * @param actual () => the value to show when time is up
 */
export function until(sources, { what, check, actual, timeout = 10_000 }) {
  return new Promise((resolve, reject) => {
    let looking = false;
    const end = (settle, value) => {
      clearTimeout(timer);
      for (const source of sources) source.off("change", soon);
      settle(value);
    };
    const look = () => {
      looking = false;
      try {
        const found = check();
        if (found !== undefined) end(resolve, found);
      } catch (error) {
        end(reject, error);
      }
    };
    const soon = () => {
      if (looking) return;
      looking = true;
      setImmediate(look);
    };
    const timer = setTimeout(() => {
      end(reject, new Error(`no ${what} within ${timeout} ms; actual: ${shown(actual())}`));
    }, timeout);
    for (const source of sources) source.on("change", soon);
    look();
  });
}

/** Whether `value` holds everything in `part`, objects member by member. */
export function includes(value, part) {
  if (part === null || typeof part !== "object") return value === part;
  if (value === null || typeof value !== "object") return false;
  if (Array.isArray(part)) return JSON.stringify(value) === JSON.stringify(part);
  return Object.entries(part).every(([key, inner]) => includes(value[key], inner));
}

export const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
