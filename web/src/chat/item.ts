/** One message as an element. */

import { button, h } from "../dom";
import { strings } from "../strings";
import type { Item } from "./items";
import { richText } from "./rich";

const words = strings.chat;
const SNIPPET = 120;
const CERTAIN_MS = 4000;
const time = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

export interface ItemActions {
  reply(seq: number): void;
  edit(seq: number): void;
  remove(seq: number): void;
  show(seq: number): void;
  /** What was refused goes back to where it was written. */
  amend(entry: string): void;
  retry(entry: string): void;
  discard(entry: string): void;
}

export function itemElement(item: Item, actions: ItemActions): HTMLElement {
  const element = h("li", { className: "message", tabIndex: -1 });
  element.dataset.key = item.key;
  element.classList.toggle("own", item.isOwn);
  element.classList.toggle("for-me", item.isForMe);
  element.classList.toggle("goes-on", item.goesOn);
  if (item.state) element.dataset.state = item.state;

  element.append(heading(item));
  const bubble = h("div", { className: "bubble" });
  if (item.reply) bubble.append(quote(item.reply, actions));
  bubble.append(body(item));
  element.append(bubble, stateLine(item, actions));
  const row = actionRow(item, actions);
  if (row.childElementCount > 0) element.append(row);
  return element;
}

function heading(item: Item): HTMLElement {
  const name = h("bdi", { className: "message-name" }, item.name);
  const own = item.isOwn ? [h("span", { className: "visually-hidden" }, ` (${strings.you})`)] : [];
  const sent = h("time", {
    dateTime: new Date(item.at).toISOString(),
    title: full.format(item.at),
  }, time.format(item.at));
  const edited = item.isEdited ? [h("span", {}, words.edited)] : [];
  const head = h("p", { className: "message-head" }, name, ...own, " ", sent, ...edited);
  return head;
}

function body(item: Item): HTMLElement {
  if (item.isDeleted) return h("p", { className: "message-body deleted" }, words.deleted);
  const element = h("p", { className: "message-body", dir: "auto" });
  element.append(...richText(item.body, item.names, item.ownName));
  return element;
}

function quote(reply: NonNullable<Item["reply"]>, actions: ItemActions): HTMLElement {
  const element = button("quote", "", () => actions.show(reply.seq));
  element.append(
    h("span", { className: "visually-hidden" }, `${words.inReplyTo} `),
    h("bdi", { className: "quote-name" }, reply.name),
    h("bdi", { className: "quote-text" }, snippet(reply.text)),
  );
  return element;
}

function stateLine(item: Item, actions: ItemActions): HTMLElement {
  const line = h("p", { className: "message-state", hidden: item.state === "" });
  const { entry } = item;
  if (entry === null) return line;
  switch (item.state) {
    case "sending":
      line.append(words.sending);
      break;
    case "again":
      line.append(`${item.reason} ${words.triesAgain}`);
      break;
    case "refused":
      line.append(
        h("span", {}, `${words.notSent} ${item.reason}`),
        ...(item.actions.amend ? [button("link", words.edit, () => actions.amend(entry))] : []),
        button("link", words.tryAgain, () => actions.retry(entry)),
        button("link", words.discard, () => actions.discard(entry)),
      );
  }
  return line;
}

function actionRow(item: Item, actions: ItemActions): HTMLElement {
  const row = h("div", { className: "message-actions" });
  const { seq } = item;
  if (seq === null) return row;
  if (item.actions.reply) row.append(button("link", words.reply, () => actions.reply(seq)));
  if (item.actions.edit) row.append(button("link", words.edit, () => actions.edit(seq)));
  if (item.actions.remove) row.append(removeButton(() => actions.remove(seq)));
  return row;
}

/** Asks once more before it removes. */
function removeButton(remove: () => void): HTMLButtonElement {
  let certain = false;
  const element = button("link", words.remove, () => {
    if (certain) return remove();
    certain = true;
    element.textContent = words.reallyRemove;
    setTimeout(() => {
      certain = false;
      element.textContent = words.remove;
    }, CERTAIN_MS);
  });
  return element;
}

export function snippet(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > SNIPPET ? `${line.slice(0, SNIPPET)}…` : line;
}
