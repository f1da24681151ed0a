/** Starts the page: one document, one connection, one editor. */

import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";

import { isUsableSession, putTokenAway, readAddress } from "./address";
import { connect } from "./connection";
import { createEditor } from "./editor";
import { cleanName, introduce, peopleIn, rememberedName, rememberName } from "./people";
import { createPage } from "./page";
import { strings } from "./strings";

const TEXT = "content";
const NAME_DELAY_MS = 150;

const address = putTokenAway(readAddress(location));
const doc = new Y.Doc();
const awareness = new Awareness(doc);
const name = rememberedName();
let nameTimer = 0;

const page = createPage({
  session: address.session,
  link: address.link,
  clientId: doc.clientID,
  name,
  onName(typed) {
    clearTimeout(nameTimer);
    nameTimer = window.setTimeout(() => {
      rememberName(typed);
      introduce(awareness, typed);
    }, NAME_DELAY_MS);
  },
});

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
});
introduce(awareness, cleanName(name));

if (isUsableSession(address.session)) {
  const link = connect(doc, awareness, address, (connection) => {
    page.showConnection(connection);
    switch (connection.state) {
      case "live":
        editor.setWritable(true);
        break;
      case "reading":
      case "refused":
        editor.setWritable(false);
    }
  });
  window.addEventListener("beforeunload", (event) => {
    if (link.hasUnsentEdits()) event.preventDefault();
  });
} else {
  page.showConnection({ state: "refused", reason: strings.badSession });
}
