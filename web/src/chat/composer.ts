/** Where a message is written: a field that grows, what it answers or changes, and names. */

import { button, h, setText } from "../dom";
import { strings } from "../strings";
import { snippet } from "./item";
import { matching, type Named, typedMention } from "./mentions";

const words = strings.chat;

/** What the next message is to be. */
export type Purpose =
  | { kind: "new" }
  | { kind: "reply"; seq: number; name: string; text: string }
  | { kind: "edit"; seq: number; text: string };

export interface Composer {
  element: HTMLElement;
  setEnabled(enabled: boolean): void;
  setPurpose(purpose: Purpose): void;
  /** Puts text in front of what is being written. */
  putBack(text: string): void;
  focus(): void;
}

export interface ComposerOptions {
  people(): Named[];
  /** Returns whether the message was taken; the field is then empty again. */
  submit(text: string, purpose: Purpose): boolean;
  /** The person wants to change what it said last. */
  editLast(): void;
}

export function createComposer(options: ComposerOptions): Composer {
  let purpose: Purpose = { kind: "new" };
  let draft = ""; // set aside while another message is changed

  const field = h("textarea", {
    className: "composer-field",
    rows: 1,
    placeholder: words.placeholder,
    enterKeyHint: "send",
    dir: "auto",
  });
  field.setAttribute("aria-label", words.placeholder);
  field.dataset.testid = "chat-input";
  const send = h("button", { className: "button send", type: "submit" }, words.send);
  const context = h("span", { className: "composer-context-text", dir: "auto" });
  const cancel = button("link", words.cancel, () => setPurpose({ kind: "new" }));
  const contextLine = h("p", { className: "composer-context", hidden: true }, context, cancel);
  const suggestions = createSuggestions(field, options.people);
  const row = h("div", { className: "composer-row" }, field, send);
  const element = h("form", { className: "composer" }, suggestions.element, contextLine, row);

  const setPurpose = (next: Purpose) => {
    if (purpose.kind !== "edit") draft = field.value;
    if (next.kind === "edit") field.value = next.text;
    else if (purpose.kind === "edit") field.value = draft;
    purpose = next;
    contextLine.hidden = next.kind === "new";
    setText(context, contextOf(next));
    field.focus();
  };
  const submit = () => {
    if (field.disabled || field.value.trim() === "") return;
    if (!options.submit(field.value.trim(), purpose)) return;
    if (purpose.kind !== "edit") field.value = "";
    setPurpose({ kind: "new" });
    suggestions.update();
  };

  element.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing || suggestions.onKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape" && purpose.kind !== "new") {
      event.stopPropagation();
      setPurpose({ kind: "new" });
    } else if (event.key === "ArrowUp" && field.value === "" && purpose.kind === "new") {
      event.preventDefault();
      options.editLast();
    }
  });

  return {
    element,
    setEnabled(enabled) {
      field.disabled = send.disabled = !enabled;
      element.hidden = !enabled;
    },
    setPurpose,
    putBack(text) {
      field.value = field.value === "" ? text : `${text}\n${field.value}`;
    },
    focus: () => field.focus(),
  };
}

function contextOf(purpose: Purpose): string {
  switch (purpose.kind) {
    case "new":
      return "";
    case "reply":
      return words.replying(purpose.name, snippet(purpose.text));
    case "edit":
      return words.editing;
  }
}

interface Suggestions {
  element: HTMLElement;
  update(): void;
  /** Returns whether the key was meant for the list. */
  onKey(event: KeyboardEvent): boolean;
}

/** The people whose name may be what is being typed after an @. */
function createSuggestions(field: HTMLTextAreaElement, people: () => Named[]): Suggestions {
  const element = h("ul", { id: "mentions", className: "suggestions", hidden: true });
  element.setAttribute("role", "listbox");
  element.setAttribute("aria-label", words.mention);
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", element.id);
  let found: Named[] = [];
  let chosen = 0;

  const draw = () => {
    element.hidden = found.length === 0;
    element.replaceChildren(...found.map((person, index) => option(person, index)));
    if (element.hidden) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", `mention-${chosen}`);
  };
  const option = ({ name }: Named, index: number) => {
    const row = h("li", { id: `mention-${index}`, role: "option" }, h("bdi", {}, name));
    row.ariaSelected = String(index === chosen);
    row.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      take(index);
    });
    return row;
  };
  const update = () => {
    const typed = field.selectionStart === field.selectionEnd
      ? typedMention(field.value, field.selectionStart)
      : null;
    found = typed === null ? [] : matching(people(), typed.query);
    chosen = 0;
    draw();
  };
  const take = (index: number) => {
    const typed = typedMention(field.value, field.selectionStart);
    const person = found[index];
    if (typed === null || person === undefined) return;
    field.setRangeText(`@${person.name} `, typed.from, field.selectionStart, "end");
    update();
  };

  field.addEventListener("input", update);
  field.addEventListener("click", update);
  field.addEventListener("blur", () => {
    found = [];
    draw();
  });

  return {
    element,
    update,
    onKey(event) {
      if (found.length === 0) return false;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step !== undefined) {
        chosen = (chosen + step + found.length) % found.length;
        draw();
      } else if ((event.key === "Enter" && !event.shiftKey) || event.key === "Tab") {
        take(chosen);
      } else if (event.key === "Escape") {
        found = [];
        draw();
        event.stopPropagation();
      } else {
        return false;
      }
      event.preventDefault();
      return true;
    },
  };
}
