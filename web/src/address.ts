/** What the page's address says: which session, and the token to enter it with. */

import { read, write } from "./storage";

const DEFAULT_SESSION = "demo";

export interface Address {
  session: string;
  /** null: enter as a guest. Never shown, and never part of `link`. */
  token: string | null;
  /** The page's address to give to others. */
  link: string;
  /** ws://HOST/hocuspocus */
  webSocket: string;
}

export function readAddress(location: Location): Address {
  const query = new URLSearchParams(location.search);
  const hash = new URLSearchParams(location.hash.slice(1));
  const session = query.get("session")?.trim() || DEFAULT_SESSION;

  const link = new URL(location.pathname, location.origin);
  if (session !== DEFAULT_SESSION) link.searchParams.set("session", session);

  const webSocket = new URL("hocuspocus", link);
  webSocket.search = "";
  webSocket.protocol = location.protocol === "https:" ? "wss:" : "ws:";

  return {
    session,
    token: hash.get("token") || query.get("token") || null,
    link: link.href,
    webSocket: webSocket.href,
  };
}

/**
 * A name that every kind of client can join by: no URL's path can carry "." and "..", and a
 * control character would end the name inside a message.
 */
export function isUsableSession(session: string): boolean {
  return session !== "." && session !== ".." && !/\p{Cc}/u.test(session);
}

/**
 * Takes the token out of the address bar, where a projector or a shared screen would show it,
 * and keeps it for reloads of this tab.
 */
export function putTokenAway(address: Address): Address {
  const key = `lyceum.token.${address.session}`;
  const tab = () => sessionStorage;
  if (address.token === null) return { ...address, token: read(tab, key) };
  if (write(tab, key, address.token)) history.replaceState(history.state, "", address.link);
  return address;
}
