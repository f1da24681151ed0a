/** The page around the editor: builds it and shows what it is told. Decides nothing. */

import type { Connection } from "./connection";
import markUrl from "./mark.svg";
import { guestName, NAME_LENGTH, personClass, type Person } from "./people";
import { strings } from "./strings";

/** A longer list says how many more there are. */
const PEOPLE_SHOWN = 60;
const FEEDBACK_MS = 2000;

export interface Page {
  editorParent: HTMLElement;
  keysHintId: string;
  showConnection(connection: Connection): void;
  showPeople(people: Person[]): void;
}

export interface PageOptions {
  session: string;
  link: string;
  clientId: number;
  name: string;
  /** Called while the name is typed. */
  onName(name: string): void;
}

export function createPage(options: PageOptions): Page {
  document.title = strings.title(options.session);

  const statusText = h("span", {});
  const status = h("p", { className: "status", role: "status" }, statusText);
  status.dataset.testid = "status";
  const note = h("p", { className: "note", role: "alert", hidden: true });

  const copy = h("button", { className: "button", type: "button" }, strings.copyLink);
  copy.addEventListener("click", () => void giveFeedback(copy, options.link));

  const header = h(
    "header",
    { className: "header" },
    h("img", { className: "mark", src: markUrl, alt: "", width: 24, height: 24 }),
    h("h1", { className: "product" }, strings.product),
    h(
      "p",
      { className: "session" },
      h("span", { className: "visually-hidden" }, `${strings.session} `),
      h("bdi", {}, options.session),
    ),
    status,
    copy,
  );

  const nameInput = h("input", {
    id: "name",
    className: "name-input",
    type: "text",
    value: options.name,
    placeholder: guestName(options.clientId),
    maxLength: NAME_LENGTH,
    autocomplete: "name",
    spellcheck: false,
    enterKeyHint: "done",
  });
  nameInput.dataset.testid = "name-input";
  nameInput.addEventListener("input", () => options.onName(nameInput.value));
  nameInput.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) nameInput.blur();
  });

  const list = h("ul", { className: "people-list" });
  list.dataset.testid = "people";
  const second = h("a", { href: options.link, target: "_blank", rel: "opener" }, strings.openSecond);
  const alone = h("p", { className: "alone", hidden: true }, `${strings.alone} `, second);

  const peopleHeading = h("h2", { id: "people-heading", className: "label" }, strings.people);
  list.setAttribute("aria-labelledby", peopleHeading.id);
  const side = h(
    "aside",
    { className: "side" },
    h(
      "div",
      { className: "field" },
      h("label", { className: "label", htmlFor: nameInput.id }, strings.yourName),
      nameInput,
    ),
    h("div", { className: "people" }, peopleHeading, list),
    alone,
  );
  side.setAttribute("aria-label", strings.people);

  const editorParent = h("main", { className: "editor" });
  editorParent.dataset.testid = "editor";
  const keys = h("p", { id: "keys", className: "keys" }, strings.keys);

  document.body.append(header, note, editorParent, side, keys);

  let connection: Connection = { state: "connecting" };
  let others = 0;
  const showAlone = () => {
    alone.hidden = connection.state !== "live" || others > 0;
  };

  return {
    editorParent,
    keysHintId: keys.id,
    showConnection(next) {
      connection = next;
      status.dataset.state = next.state;
      setText(statusText, strings[next.state]);
      const text = noteFor(next);
      note.hidden = text === "";
      note.dataset.state = next.state;
      setText(note, text);
      showAlone();
    },
    showPeople(people) {
      others = people.length - 1;
      list.replaceChildren(...people.slice(0, PEOPLE_SHOWN).map(personItem));
      if (people.length > PEOPLE_SHOWN) {
        const more = strings.others(people.length - PEOPLE_SHOWN);
        list.append(h("li", { className: "more" }, more));
      }
      showAlone();
    },
  };
}

function noteFor(connection: Connection): string {
  switch (connection.state) {
    case "connecting":
    case "live":
      return "";
    case "offline":
      return connection.loaded ? strings.offlineNote : strings.unreachableNote;
    case "reading":
      return asSentence(connection.reason);
    case "refused":
      return strings.refusedNote(asSentence(connection.reason) || strings.noReason);
  }
}

function asSentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === "" || /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function personItem(person: Person): HTMLElement {
  const dot = h("span", { className: `dot ${personClass(person.id)}` });
  const item = h("li", {}, dot, h("bdi", { className: "person-name" }, person.name));
  if (person.isSelf) item.append(" ", h("span", { className: "you" }, strings.you));
  return item;
}

async function giveFeedback(button: HTMLButtonElement, link: string): Promise<void> {
  const copied = await copyText(link);
  button.textContent = copied ? strings.linkCopied : strings.linkNotCopied;
  setTimeout(() => (button.textContent = strings.copyLink), FEEDBACK_MS);
}

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text); // over plain HTTP there is no navigator.clipboard
  }
}

function copyBySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = h("textarea", { className: "visually-hidden", value: text, readOnly: true });
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return copied;
}

/** Sets a live region only when it changes: each setting may be read out. */
function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** An element from its properties and children; strings become text, never HTML. */
function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
