/** The calm word for what is saved: quick savings pass unseen, slow ones are named. */

import type { Unsaved } from "./ledger";

export type Saving = "saved" | "saving" | "slow" | "refused";

const UNSEEN_MS = 400;
const SHOWN_MS = 600;
const SLOW_MS = 6000;

/** Returns what to call with each edit and answer; `show` hears the words that are left. */
export function calmSaving(show: (saving: Saving) => void): (unsaved: Unsaved) => void {
  let shown: Saving = "saved";
  let shownAt = 0;
  let timer: number | null = null; // to "saving", or back to "saved"
  let slow = 0;

  const become = (next: Saving) => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (next === shown) return;
    shown = next;
    shownAt = performance.now();
    show(next);
  };

  return ({ some, refused }) => {
    clearTimeout(slow);
    if (refused) {
      become("refused");
    } else if (some) {
      slow = window.setTimeout(become, SLOW_MS, "slow"); // from the latest answer on
      if (shown === "saved") timer ??= window.setTimeout(become, UNSEEN_MS, "saving");
      else if (shown !== "slow") become("saving");
    } else if (shown === "saved") {
      become("saved");
    } else {
      if (timer !== null) clearTimeout(timer);
      const left = Math.max(0, shownAt + SHOWN_MS - performance.now());
      timer = window.setTimeout(become, left, "saved");
    }
  };
}
