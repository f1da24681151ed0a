/** The chat beside the editor: shows what `Chat` holds and hands on what the person wants. */

import { button, h, setText } from "../dom";
import type { ChatMessage } from "../notices";
import { read, write } from "../storage";
import { strings } from "../strings";
import type { Chat } from "./chat";
import { createComposer, type Purpose } from "./composer";
import { itemsOf, type Reader } from "./items";
import { createList } from "./list";
import { mentioned, type Named } from "./mentions";

const words = strings.chat;
const OPEN_KEY = "lyceum.chat.open";

export interface ChatPanel {
  element: HTMLElement;
  /** Opens and closes the panel; says how much is unread. */
  toggle: HTMLButtonElement;
  /** Something about the chat, the session or the people has changed. */
  update(): void;
}

export interface PanelOptions {
  session: string;
  user: string | null;
  /** The name that others see here. */
  ownName(): string;
  people(): Named[];
  /** How many messages are unread, whenever that changes. */
  onUnread(count: number): void;
}

export function createPanel(chat: Chat, options: PanelOptions): ChatPanel {
  const readKey = `lyceum.chat.${options.session}.read`;
  let readUpTo = Number(read(() => sessionStorage, readKey) ?? NaN); // a seq
  let unread = 0;
  let scheduled = 0;
  let isOpen = true;

  const badge = h("span", { className: "badge" });
  const news = h("span", { hidden: true }, " ", badge);
  news.append(h("span", { className: "visually-hidden" }, ` ${words.unread}`));
  const toggle = h("button", { className: "button", type: "button" }, words.chat, news);
  toggle.dataset.testid = "chat-toggle";

  const why = h("p", { className: "chat-why", hidden: true });
  why.dataset.testid = "chat-why";
  const list = createList(
    {
      reply: (seq) => answer(seq),
      edit: (seq) => withMessage(seq, ({ body }) =>
        composer.setPurpose({ kind: "edit", seq, text: body }),
      ),
      remove: (seq) => void chat.say({ kind: "delete", seq }),
      show: (seq) => void list.find(seq),
      amend: (entry) => amend(entry),
      retry: (entry) => chat.outbox.retry(entry),
      discard: (entry) => chat.outbox.discard(entry),
    },
    () => markRead(),
    () => chat.loadOlder(),
  );
  const composer = createComposer({
    people: () => others(),
    submit: (text, purpose) => submit(text, purpose),
    editLast() {
      const last = chat.log.messages.findLast((it) => isOwn(it) && it.deleted_at === null);
      if (last && mayChange(last)) {
        composer.setPurpose({ kind: "edit", seq: last.seq, text: last.body });
      }
    },
  });

  const close = button("icon", "×", () => setOpen(false, true));
  close.ariaLabel = words.close;
  const heading = h("h2", { id: "chat-heading" }, words.chat);
  const element = h(
    "section",
    { id: "chat", className: "chat" },
    h("div", { className: "chat-header" }, heading, close),
    list.element,
    why,
    composer.element,
  );
  element.setAttribute("aria-labelledby", heading.id);
  element.dataset.testid = "chat";
  toggle.setAttribute("aria-controls", element.id);

  const setOpen = (open: boolean, byPerson: boolean) => {
    isOpen = open;
    element.hidden = !open;
    document.body.classList.toggle("chat-open", open);
    toggle.ariaExpanded = String(open);
    if (byPerson) {
      if (!narrow.matches) write(() => localStorage, OPEN_KEY, String(open));
      if (!open) toggle.focus();
      else if (chat.session?.may_chat) composer.focus();
    }
    if (open) list.toBottom();
    markRead();
  };
  toggle.addEventListener("click", () => setOpen(!isOpen, true));
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && narrow.matches) setOpen(false, true);
  });

  const withMessage = (seq: number, act: (message: ChatMessage) => void) => {
    const message = chat.log.find(seq);
    if (message !== undefined) act(message);
  };
  const answer = (seq: number) =>
    withMessage(seq, ({ name, body }) =>
      composer.setPurpose({ kind: "reply", seq, name, text: body }),
    );
  const amend = (id: string) => {
    const entry = chat.outbox.entries.find((it) => it.id === id);
    if (entry === undefined || entry.kind === "delete") return;
    chat.outbox.discard(id);
    if (entry.kind === "edit") {
      composer.setPurpose({ kind: "edit", seq: entry.seq, text: entry.body });
      return;
    }
    composer.setPurpose({ kind: "new" });
    if (entry.reply_to !== null) answer(entry.reply_to);
    composer.putBack(entry.body);
  };
  const isOwn = (message: ChatMessage) =>
    message.user === null
      ? options.user === null && chat.outbox.wrote(message.client_message_id)
      : message.user === options.user;
  const mayChange = (it: ChatMessage) => it.user !== null || chat.sentHere.has(it.seq);
  const others = () => options.people().filter(({ name }) => name !== options.ownName());
  const authors = (): Named[] => chat.log.messages.map(({ name, user }) => ({ name, user }));

  const submit = (body: string, purpose: Purpose): boolean => {
    const mentions = mentioned(body, [...options.people(), ...authors()]);
    if (purpose.kind === "edit") {
      const message = chat.log.find(purpose.seq);
      if (message?.body === body) return true;
      return chat.say({ kind: "edit", seq: purpose.seq, body, mentions });
    }
    const reply_to = purpose.kind === "reply" ? purpose.seq : null;
    const taken = chat.say({ kind: "send", body, reply_to, mentions, name: options.ownName() });
    if (taken) list.toBottom();
    return taken;
  };

  const markRead = () => {
    const { log, ready } = chat;
    const seen = isOpen && list.atBottom && document.visibilityState === "visible";
    // What was said before one came the first time is nothing that one has missed.
    if (ready && (seen || Number.isNaN(readUpTo)) && readUpTo !== log.newest) {
      readUpTo = log.newest;
      write(() => sessionStorage, readKey, String(readUpTo));
    }
    const isUnread = (it: ChatMessage) => it.seq > readUpTo && it.deleted_at === null && !isOwn(it);
    const count = log.messages.filter(isUnread).length;
    if (count === unread) return;
    unread = count;
    news.hidden = count === 0;
    setText(badge, count > 99 ? "99+" : String(count));
    options.onUnread(count);
  };

  const draw = () => {
    scheduled = 0;
    const { log, outbox, session, ready, connected } = chat;
    const mayChat = chat.refusal === null && (session?.may_chat ?? false);
    const reader: Reader = {
      user: options.user,
      name: options.ownName(),
      isTeacher: session?.role === "teacher",
      mayChat: mayChat && connected,
      wrote: isOwn,
      mayChange,
      names: [...new Set([...options.people(), ...authors()].map(({ name }) => name))],
    };
    list.show(itemsOf(log.messages, outbox.entries, reader), ready, log.hasOlder);
    if (list.atBottom) chat.trim();
    composer.setEnabled(mayChat);
    const reason = whyNot(chat);
    why.hidden = reason === "";
    setText(why, reason);
    markRead();
  };

  const narrow = matchMedia("(max-width: 46rem)");
  const remembered = read(() => localStorage, OPEN_KEY) !== "false";
  document.addEventListener("visibilitychange", markRead);
  narrow.addEventListener("change", () => setOpen(!narrow.matches && remembered, false));
  queueMicrotask(() => setOpen(!narrow.matches && remembered, false));

  return {
    element,
    toggle,
    update() {
      scheduled ||= window.setTimeout(draw);
    },
  };
}

/** Why the person may say nothing; "" if it may, or if that is not known yet. */
function whyNot({ session, refusal }: Chat): string {
  if (refusal !== null) return words.noSession;
  if (session === null || session.may_chat) return "";
  return session.reason || words.viewer;
}
