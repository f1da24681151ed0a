/** Clients that type by themselves. */
import { later } from "./waits.mjs";

/** mulberry32: a small seeded generator of numbers in [0, 1). */
export function randomness(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const WORDS = ["learn", "code", "loop ", "\n", "=", "été", "数", "🎓", " ", "x", "()", "print"];

/** An index moved out of the middle of a surrogate pair, where no editor puts its cursor. */
function whole(text, index) {
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff ? index - 1 : index;
}

function edit(target, random) {
  const text = target.toString();
  const at = whole(text, Math.floor(random() * (text.length + 1)));
  if (text.length > 0 && random() < 0.3) {
    const from = whole(text, Math.min(at, text.length - 1));
    const to = whole(text, Math.min(text.length, from + 2 + Math.floor(random() * 8)));
    target.delete(from, to - from);
    return "deletions";
  }
  target.insert(at, WORDS[Math.floor(random() * WORDS.length)]);
  return "insertions";
}

/**
 * Random insertions and deletions with random pauses; now and then the client goes offline, edits
 * on, and comes back, or loses its socket without a goodbye.
 *
 * @param steps edits in all, the offline ones included
 * @param pause [least, most] milliseconds between edits
 * @param offline chance before each step of going offline for `offlineSteps` [least, most] edits
 * @param cut chance before each step of losing the socket
 */
export async function typist(client, { seed, steps, pause, offline, offlineSteps, cut, type, timeout }) {
  const random = randomness(seed);
  const between = ([least, most]) => least + Math.floor(random() * (most - least + 1));
  const target = client.document.getText(type);
  const done = { insertions: 0, deletions: 0, offline: 0, cuts: 0 };
  let offlineLeft = 0;
  for (let step = 0; step < steps; step += 1) {
    if (offlineLeft === 0) {
      const chance = random();
      if (chance < offline) {
        client.held.disconnect();
        offlineLeft = between(offlineSteps);
        done.offline += 1;
      } else if (chance < offline + cut && client.wire.isOpen) {
        client.wire.socket.terminate();
        done.cuts += 1;
      }
    } else {
      offlineLeft -= 1;
      if (offlineLeft === 0) client.held.connect();
    }
    done[edit(target, random)] += 1;
    await later(between(pause));
  }
  if (offlineLeft > 0) client.held.connect();
  await client.waitSynced(timeout);
  return done;
}

/**
 * Types numbered lines at the end of a text, `burst` at a time, each line an update of its own,
 * and waits after each burst until all of it is answered or `ackTimeout` milliseconds are over.
 *
 * It goes on through a lost connection, so that a test may end the server under it.
 */
export async function typeLines(client, { prefix, count, burst, pauseMs, ackTimeout, type }) {
  const target = client.document.getText(type);
  client.stopTyping = false;
  for (let next = 0; next < count && !client.stopTyping; next += burst) {
    for (let line = next; line < Math.min(next + burst, count); line += 1) {
      client.ledger.type(`${prefix}-${line}`, target);
    }
    if (client.isHocuspocus && ackTimeout > 0) {
      const answered = () => (client.ledger.open.length === 0 || client.stopTyping ? true : undefined);
      await client.until("acknowledgement", answered, () => client.ledger.open.length, ackTimeout).catch(() => {});
    }
    if (pauseMs > 0) await later(pauseMs);
  }
  return client.ledger.report();
}
