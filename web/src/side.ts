/** Beside the editor: one's own name, and who is here. */

import type { Connection } from "./connection";
import { h, setText } from "./dom";
import { guestName, NAME_LENGTH, personClass, type Person } from "./people";
import { strings } from "./strings";

/** A longer list says how many more there are. */
const PEOPLE_SHOWN = 60;

export interface Side {
  element: HTMLElement;
  showPeople(people: Person[]): void;
  /** What the person is in this session, in a word. */
  showRole(role: string): void;
  /** Who is not in the session sees nobody there; who is alone in it may ask somebody in. */
  showConnection(state: Connection["state"]): void;
}

export interface SideOptions {
  link: string;
  clientId: number;
  name: string;
  /** Called while the name is typed. */
  onName(name: string): void;
}

export function createSide(options: SideOptions): Side {
  const nameInput = createNameInput(options);
  const heading = h("h2", { id: "people-heading", className: "label" }, strings.people);
  const list = h("ul", { className: "people-list" });
  list.dataset.testid = "people";
  list.setAttribute("aria-labelledby", heading.id);
  const peopleHere = h("div", { className: "people" }, heading, list);
  const second = h("a", { href: options.link, target: "_blank", rel: "opener" }, strings.openSecond);
  const alone = h("p", { className: "alone", hidden: true }, `${strings.alone} `, second);

  const element = h(
    "aside",
    { className: "side" },
    h(
      "div",
      { className: "field" },
      h("label", { className: "label", htmlFor: nameInput.id }, strings.yourName),
      nameInput,
    ),
    peopleHere,
    alone,
  );
  element.setAttribute("aria-label", strings.people);

  const self = h("span", { className: "you" }, strings.you);
  self.dataset.testid = "self";
  let others = 0;
  let isInviting = false;
  const showAlone = () => {
    alone.hidden = !isInviting || others > 0;
  };

  return {
    element,
    showPeople(people) {
      others = people.length - 1;
      list.replaceChildren(...people.slice(0, PEOPLE_SHOWN).map((it) => personItem(it, self)));
      if (people.length > PEOPLE_SHOWN) {
        const more = strings.others(people.length - PEOPLE_SHOWN);
        list.append(h("li", { className: "more" }, more));
      }
      showAlone();
    },
    showRole(role) {
      setText(self, strings.youAre(role));
    },
    showConnection(state) {
      peopleHere.hidden = state === "waiting" || state === "refused";
      isInviting = state === "live";
      showAlone();
    },
  };
}

function createNameInput(options: SideOptions): HTMLInputElement {
  const input = h("input", {
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
  input.dataset.testid = "name-input";
  input.addEventListener("input", () => options.onName(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) input.blur();
  });
  return input;
}

function personItem(person: Person, self: HTMLElement): HTMLElement {
  const dot = h("span", { className: `dot ${personClass(person.id)}` });
  const item = h("li", {}, dot, h("bdi", { className: "person-name" }, person.name));
  if (person.isSelf) item.append(" ", self);
  return item;
}
