/** Starts the page: one document, one connection, one editor, one chat. */

import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";

import { isUsableSession, putTokenAway, readAddress } from "./address";
import { Chat } from "./chat/chat";
import { createPanel } from "./chat/panel";
import { connect, type Connection, type Link } from "./connection";
import { createEditor } from "./editor";
import { createPage } from "./page";
import { cleanName, introduce, nameOf, peopleIn, rememberedName, rememberName } from "./people";
import { calmSaving } from "./saving";
import { strings } from "./strings";
import { readBearer } from "./token";

const TEXT = "content";
const NAME_DELAY_MS = 150;

const address = putTokenAway(readAddress(location));
const bearer = readBearer(address.token);
const doc = new Y.Doc();
const awareness = new Awareness(doc);
const name = rememberedName() || cleanName(bearer.name);
let nameTimer = 0;
let link: Link | null = null;

const page = createPage({
  session: address.session,
  link: address.link,
  clientId: doc.clientID,
  name,
  onName(typed) {
    clearTimeout(nameTimer);
    nameTimer = window.setTimeout(() => {
      rememberName(typed);
      introduce(awareness, typed, bearer.user);
    }, NAME_DELAY_MS);
  },
});
const chat = new Chat(
  address.session,
  (command) => link?.send(command),
  () => panel.update(),
);
const panel = createPanel(chat, {
  session: address.session,
  user: bearer.user,
  ownName: () => nameOf(doc.clientID, awareness.getLocalState()),
  people: () => peopleIn(awareness),
  onUnread: page.showUnread,
});
page.addChat(panel.element, panel.toggle);

const editor = createEditor(page.editorParent, doc.getText(TEXT), awareness, {
  name: strings.editor(address.session),
  describedBy: page.keysHintId,
  placeholder: strings.placeholder,
});

let peopleShown = "";
awareness.on("change", () => {
  const people = peopleIn(awareness);
  const key = JSON.stringify(people);
  if (key === peopleShown) return; // cursors moved
  peopleShown = key;
  page.showPeople(people);
  panel.update();
});
introduce(awareness, name, bearer.user);

let isUnsaved = false;
let isRefused = false;
const showSaving = calmSaving(page.showSaving);

function showConnection(connection: Connection): void {
  page.showConnection(connection);
  switch (connection.state) {
    case "live":
      editor.setWritable(true);
      break;
    case "reading":
      editor.setWritable(false);
      break;
    case "offline":
      chat.onGone();
      break;
    case "refused":
      isRefused = true;
      editor.setWritable(false);
      chat.onRefused(connection.reason);
  }
}

if (isUsableSession(address.session)) {
  link = connect(doc, awareness, address, {
    onConnection: showConnection,
    onSession(session) {
      page.showSession(session);
      editor.setLanguage(session.language);
      chat.onSession(session);
    },
    onUnsaved(unsaved) {
      isUnsaved = unsaved.some;
      showSaving(unsaved);
    },
    onChat: (notice) => chat.onNotice(notice),
  });
  window.addEventListener("beforeunload", (event) => {
    if (!isRefused && (isUnsaved || chat.outbox.unsaved)) event.preventDefault();
  });
} else {
  showConnection({ state: "refused", writing: false, reason: strings.badSession });
}
