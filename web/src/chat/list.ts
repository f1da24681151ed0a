/** The messages on the screen: added to, changed in place, and scrolled as a reader expects. */

import { button, h } from "../dom";
import { strings } from "../strings";
import { type ItemActions, itemElement } from "./item";
import type { Item } from "./items";

const words = strings.chat;
const AT_BOTTOM = 48; // pixels from the end
const NEAR_TOP = 120;
const LIT_MS = 1600;
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

export interface MessageList {
  element: HTMLElement;
  /** `ready`: the newest are there. `hasOlder`: there are messages before these. */
  show(items: Item[], ready: boolean, hasOlder: boolean): void;
  /** Whether the newest message is in sight. */
  readonly atBottom: boolean;
  toBottom(): void;
  /** Brings a message into sight and lights it up; returns whether it is there. */
  find(seq: number): boolean;
}

interface Shown {
  element: HTMLElement;
  version: string;
}

export function createList(
  actions: ItemActions,
  onScroll: () => void,
  loadOlder: () => void,
): MessageList {
  const shown = new Map<string, Shown>();
  const older = button("link older", words.older, loadOlder);
  const list = h("ol", { className: "messages" });
  const log = h("div", { role: "log", ariaLive: "polite", ariaLabel: words.messages }, list);
  const empty = h("p", { className: "chat-empty" }, words.empty);
  const scroller = h("div", { className: "chat-scroll", tabIndex: 0 }, older, log, empty);
  scroller.setAttribute("aria-label", words.howToRead);
  scroller.setAttribute("role", "group");
  const latest = button("button latest", words.latest, () => toBottom());
  const element = h("div", { className: "chat-list" }, scroller, latest);
  list.dataset.testid = "messages";

  let atBottom = true;
  let top = 0; // where it was left
  const toBottom = () => {
    scroller.scrollTop = scroller.scrollHeight;
    top = scroller.scrollTop;
    atBottom = true;
    latest.hidden = true;
  };
  scroller.addEventListener("scroll", () => {
    if (scroller.clientHeight === 0) return; // not on the screen
    const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    // Who did not scroll up is still at the bottom, which a list of people that grew moves away.
    atBottom = left < AT_BOTTOM || (atBottom && scroller.scrollTop >= top);
    top = scroller.scrollTop;
    if (atBottom) latest.hidden = true;
    if (scroller.scrollTop < NEAR_TOP && !older.hidden) loadOlder();
    onScroll();
  });
  // A keyboard on the screen, or a longer draft, must not hide the newest message.
  new ResizeObserver(() => atBottom && toBottom()).observe(scroller);
  scroller.addEventListener("keydown", (event) => moveFocus(event, list));

  return {
    element,
    show(items, ready, hasOlder) {
      const height = scroller.scrollHeight;
      const first = list.querySelector(".message");
      const count = items.length - 1;
      const isNew = count >= 0 && !shown.has(items[count]!.key);
      const prepended = first !== null && items[0]?.key !== (first as HTMLElement).dataset.key;
      log.ariaBusy = String(prepended); // history is not read out
      draw(list, shown, linesOf(items, shown, actions));
      older.hidden = !ready || !hasOlder;
      empty.hidden = !ready || items.length > 0;
      if (atBottom) toBottom();
      else if (prepended) scroller.scrollTop += scroller.scrollHeight - height;
      else if (isNew && !items[count]!.isOwn) latest.hidden = false;
      log.ariaBusy = "false";
    },
    get atBottom() {
      return atBottom && scroller.clientHeight > 0;
    },
    toBottom,
    find(seq) {
      const found = shown.get(`m${seq}`)?.element;
      if (found === undefined) return false;
      found.scrollIntoView({ block: "center" });
      found.classList.add("lit");
      setTimeout(() => found.classList.remove("lit"), LIT_MS);
      return true;
    },
  };
}

interface Line extends Shown {
  key: string;
}

/** The lines of the list, the same elements as before where they look the same. */
function linesOf(items: Item[], shown: Map<string, Shown>, actions: ItemActions): Line[] {
  const lines: Line[] = [];
  const add = (key: string, version: string, make: () => HTMLElement) => {
    const known = shown.get(key);
    const element = known?.version === version ? known.element : make();
    lines.push({ key, version, element });
  };
  let date = "";
  for (const item of items) {
    const next = day.format(item.at);
    if (next !== date) add(`before ${item.key}`, next, () => h("li", { className: "date" }, next));
    date = next;
    add(item.key, JSON.stringify(item), () => itemElement(item, actions));
  }
  return lines;
}

/** Puts the lines into the list and leaves alone what is in its place already. */
function draw(list: HTMLElement, shown: Map<string, Shown>, lines: Line[]): void {
  const focused = [...shown].find(([, it]) => it.element.contains(document.activeElement))?.[0];
  const kept = new Set(lines.map(({ element }) => element));
  for (const { element } of shown.values()) if (!kept.has(element)) element.remove();
  shown.clear();
  let place = list.firstElementChild;
  for (const { key, version, element } of lines) {
    shown.set(key, { element, version });
    if (place === element) place = element.nextElementSibling;
    else list.insertBefore(element, place);
  }
  const again = focused === undefined ? undefined : shown.get(focused)?.element;
  if (again && !again.contains(document.activeElement)) again.focus({ preventScroll: true });
}

/** Arrow keys go from message to message; Tab then reaches what can be done with one. */
function moveFocus(event: KeyboardEvent, list: HTMLElement): void {
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  const messages = [...list.querySelectorAll<HTMLElement>(".message")];
  const current = messages.findIndex((element) => element.contains(document.activeElement));
  const up = event.key === "ArrowUp";
  const next = current < 0 ? (up ? messages.length - 1 : -1) : current + (up ? -1 : 1);
  if (messages[next] === undefined) return;
  messages[next].focus();
  event.preventDefault();
}
