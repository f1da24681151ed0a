/** What may be asked of the driver: name → (arguments) → result. The Python side documents each. */
import { Client } from "./client.mjs";
import * as edits from "./edits.mjs";
import { typeLines, typist } from "./typist.mjs";
import { includes, until } from "./waits.mjs";

const clients = new Map();

function get(name) {
  const client = clients.get(name);
  if (client === undefined) throw new Error(`no client ${name}`);
  return client;
}

function open({ client: name, ...wanted }) {
  if (clients.has(name)) throw new Error(`client ${name} is open`);
  const client = new Client(name, wanted);
  clients.set(name, client);
  return { client_id: client.document.clientID };
}

function destroy({ client: name, keepSocket }) {
  get(name).destroy(keepSocket);
  clients.delete(name);
}

function expects(value, { equals, contains, lacks, length, minLength }) {
  if (equals != null && value !== equals) return false;
  if (contains != null && !value.includes(contains)) return false;
  if (lacks != null && value.includes(lacks)) return false;
  if (length != null && value.length !== length) return false;
  return minLength == null || value.length >= minLength;
}

function waitText(client, { type, timeout, ...expected }) {
  const text = () => client.document.getText(type).toString();
  const wanted = JSON.stringify(expected);
  const what = `text with ${wanted.length < 200 ? wanted : `${wanted.slice(0, 200)}…`}`;
  return client.until(what, () => {
    const value = text();
    return expects(value, expected) ? value : undefined;
  }, text, timeout);
}

function waitAwareness(client, { count, minCount, match, absent, ids, others, timeout }) {
  const states = () => {
    const known = [...client.awareness.states];
    return others ? known.filter(([id]) => id !== client.document.clientID) : known;
  };
  const holds = () => {
    const now = states();
    if (count != null && now.length !== count) return false;
    if (minCount != null && now.length < minCount) return false;
    if (match != null && !now.some(([, state]) => includes(state, match))) return false;
    if (absent != null && now.some(([, state]) => includes(state, absent))) return false;
    return ids == null || (now.length === ids.length && now.every(([id]) => ids.includes(id)));
  };
  const what = `awareness with ${JSON.stringify({ count, minCount, match, absent, ids })}`;
  return client.until(what, () => (holds() ? Object.fromEntries(states()) : undefined), states, timeout);
}

function waitClosed(client, { code, timeout }) {
  const check = () => {
    const at = client.closes.findIndex((close) => code == null || close.code === code);
    return at < 0 ? undefined : client.closes.splice(0, at + 1).at(-1);
  };
  return client.until(code == null ? "close" : `close ${code}`, check, () => client.closes, timeout);
}

function waitEvent(client, { event, match, after, timeout }) {
  const check = () => client.events.slice(after).find((seen) => seen.event === event && includes(seen, match));
  const what = `event ${event} with ${JSON.stringify(match)}`;
  return client.until(what, check, () => client.events.slice(after).slice(-10), timeout);
}

function waitUnsyncedZero(client, { timeout }) {
  if (!client.isHocuspocus) throw new Error("y-websocket has no acknowledgements");
  const check = () => (client.isSynced && !client.provider.hasUnsyncedChanges ? true : undefined);
  return client.until("unsyncedChanges of 0", check, () => client.unsynced, timeout);
}

function waitSettled(client, { timeout }) {
  if (!client.isHocuspocus) throw new Error("y-websocket has no acknowledgements");
  const check = () => (client.isSynced && client.wire.isOpen && client.ledger.isSettled ? true : undefined);
  const actual = () => ({ carried: client.ledger.carried, unanswered: client.ledger.unanswered.length });
  return client.until("answer to every update", check, actual, timeout);
}

function waitConverged({ names, timeout }) {
  const group = names.map(get);
  const digests = () => group.map((client) => edits.digest(client.document));
  let rests = false;
  // Digests read whole documents, so at most one look in 20 ms.
  const check = () => {
    if (rests) return undefined;
    rests = true;
    setTimeout(() => {
      rests = false;
      group[0].changed();
    }, 20);
    const all = digests();
    return all.every((digest) => digest === all[0]) ? all[0] : undefined;
  };
  const actual = () =>
    group.map((client, at) => [client.name, digests()[at].slice(0, 8), client.document.getText("content").length, client.wire.isOpen]);
  return until(group, { what: `same content in ${names.join(", ")}`, check, actual, timeout });
}

function setToken(client, { token, send }) {
  client.held.setToken(token);
  if (!send) return;
  if (typeof client.provider.sendToken !== "function") throw new Error(`${client.kind} cannot send a token again`);
  client.provider.sendToken();
}

function sendRaw(client, { hex }) {
  client.wire.live.send(Buffer.from(hex, "hex"));
}

function terminate(client, { reset }) {
  const { live } = client.wire;
  if (reset) live._socket.resetAndDestroy();
  else live.terminate();
}

/** Loaded by the few tests that want it. */
const prosemirror = () => import("./prosemirror.mjs");

/** Operations of one client. */
const OF_CLIENT = {
  info: (client) => client.info(),
  connect: (client) => client.held.connect(),
  disconnect: (client) => client.held.disconnect(),
  attach: (client) => client.held.attach(),
  detach: (client) => client.held.detach(),
  terminate,
  pause: (client) => client.wire.live.pause(),
  resume: (client) => client.wire.live.resume(),
  set_token: setToken,
  send_stateless: (client, { payload }) => client.provider.sendStateless(payload),
  force_sync: (client) => client.provider.forceSync(),
  send_raw: sendRaw,

  batch: (client, { edits: list }) => edits.batch(client.document, list),
  read: (client, { as, type }) => edits.read(client.document, as, type),
  state_vector: (client) => edits.stateVector(client.document),
  state: (client, { since }) => edits.encodedState(client.document, since),
  digest: (client) => edits.digest(client.document),
  compare: (client, { other }) => edits.compare(client.document, get(other).document),
  whole: (client) => client.document.toJSON(),
  prosemirror: async (client, wanted) => (await prosemirror()).read(client.document, wanted),
  prosemirror_write: async (client, wanted) => (await prosemirror()).write(client.document, wanted),
  has_pending: (client) => edits.hasPending(client.document),

  set_awareness: (client, { state }) => client.awareness.setLocalState(state),
  set_awareness_field: (client, { field, value }) => client.awareness.setLocalStateField(field, value),
  awareness: (client) => client.awarenessStates(),

  events: (client, { after }) => client.events.slice(after),
  frames: (client) => client.frames,
  trace: (client, { on }) => {
    client.tracing = on;
    client.frames = [];
  },

  wait_synced: (client, { timeout }) => client.waitSynced(timeout),
  wait_text: waitText,
  wait_awareness: waitAwareness,
  wait_unsynced_zero: waitUnsyncedZero,
  wait_settled: waitSettled,
  wait_closed: waitClosed,
  wait_event: waitEvent,

  typist,
  type_lines: typeLines,
  lines: (client) => client.ledger.report(),
  stop_typing: (client) => {
    client.stopTyping = true;
    client.changed();
  },
};

const OF_DRIVER = {
  open,
  destroy,
  wait_converged: waitConverged,
  prosemirror_normal: async (wanted) => (await prosemirror()).normal(wanted),
};

/** Runs one operation. */
export async function run({ op, client, ...rest }) {
  if (op in OF_DRIVER) return OF_DRIVER[op]({ client, ...rest });
  if (op in edits.EDITS) return edits.EDITS[op](get(client).document, rest);
  if (op in OF_CLIENT) return OF_CLIENT[op](get(client), rest);
  throw new Error(`unknown operation ${op}`);
}
