/** The page around the editor: builds it and shows what it is told. Decides nothing. */

import type { Connection } from "./connection";
import { copyButton } from "./copying";
import { h, setText } from "./dom";
import markUrl from "./mark.svg";
import type { SessionState } from "./notices";
import type { Person } from "./people";
import type { Saving } from "./saving";
import { createSide, type SideOptions } from "./side";
import { strings } from "./strings";

export interface Page {
  editorParent: HTMLElement;
  keysHintId: string;
  showConnection(connection: Connection): void;
  showSaving(saving: Saving): void;
  showSession(session: SessionState): void;
  showPeople(people: Person[]): void;
  showUnread(count: number): void;
  /** Puts the chat in its places: the panel, and the button that opens it. */
  addChat(panel: HTMLElement, toggle: HTMLElement): void;
}

export interface PageOptions extends SideOptions {
  session: string;
}

export function createPage(options: PageOptions): Page {
  const statusText = h("span", {});
  const status = h("p", { className: "status", role: "status" }, statusText);
  status.dataset.testid = "status";
  const saved = h("p", { className: "saved", hidden: true }); // no live region: it changes often
  saved.dataset.testid = "saved";
  const note = h("p", { className: "note", role: "alert", hidden: true });

  const title = h("bdi", {}, options.session);
  const name = h("bdi", { className: "session-name", hidden: true }, options.session);
  const tools = h("div", { className: "tools" }, copyButton(options.link));
  const header = h(
    "header",
    { className: "header" },
    h("img", { className: "mark", src: markUrl, alt: "", width: 24, height: 24 }),
    h("h1", { className: "product" }, strings.product),
    h(
      "p",
      { className: "session" },
      h("span", { className: "visually-hidden" }, `${strings.session} `),
      title,
      name,
    ),
    h("div", { className: "states" }, status, saved),
    tools,
  );

  const side = createSide(options);
  const editorParent = h("main", { className: "editor" });
  editorParent.dataset.testid = "editor";
  const keys = h("footer", { id: "keys", className: "keys" });
  document.body.append(header, note, editorParent, side.element, keys);

  let connection: Connection = { state: "connecting" };
  let saving: Saving = "saved";
  let unread = 0;
  const show = () => {
    const { state } = connection;
    status.dataset.state = state;
    setText(statusText, strings[state]);
    saved.hidden = !hasSavedWord(connection, saving);
    const word = state === "offline" && saving === "saving" ? "slow" : saving;
    saved.dataset.saving = word;
    setText(saved, strings.saving[word]);
    const text = noteFor(connection, saving);
    note.hidden = text === "";
    note.dataset.state = state;
    setText(note, text);
    side.showConnection(state);
    const writing = state === "live" || (state === "offline" && connection.writing);
    keys.hidden = !writing;
    setText(keys, writing ? strings.keys : "");
  };
  const showTitle = () => {
    document.title = strings.title(title.textContent, unread);
  };
  showTitle();

  return {
    editorParent,
    keysHintId: keys.id,
    showConnection(next) {
      connection = next;
      show();
    },
    showSaving(next) {
      saving = next;
      show();
    },
    showSession(session) {
      setText(title, session.title || options.session);
      name.hidden = title.textContent === options.session;
      side.showRole(strings.roles[session.role]);
      showTitle();
    },
    showPeople: side.showPeople,
    showUnread(count) {
      unread = count;
      showTitle();
    },
    addChat(panel, toggle) {
      tools.prepend(toggle);
      keys.before(panel);
    },
  };
}

/** Whether it means something that all, or not all, is saved. */
function hasSavedWord({ state }: Connection, saving: Saving): boolean {
  return state === "live" || (saving !== "saved" && state !== "connecting");
}

function noteFor(connection: Connection, saving: Saving): string {
  switch (connection.state) {
    case "connecting":
      return "";
    case "live":
      return saving === "slow" ? strings.slowNote : "";
    case "waiting":
      return strings.waitingNote(asSentence(connection.reason));
    case "offline": {
      const passing = connection.writing ? strings.offlineNote : strings.unreachableNote;
      return asSentence(connection.reason) || passing;
    }
    case "reading": {
      const { reason, role } = connection.session;
      const why = asSentence(reason) || strings.readingNote[role];
      return saving === "refused" ? `${why} ${strings.lostNote}` : why;
    }
    case "refused": {
      const why = asSentence(connection.reason) || strings.noReason;
      return connection.writing ? strings.refusedNote(why) : why;
    }
  }
}

function asSentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === "" || /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
