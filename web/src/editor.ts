/** The editor: CodeMirror bound to a Y.Text. What it looks like is style.css's business. */

import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  placeholder,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";

import { cursors } from "./cursors";
import { loadLanguage } from "./languages";

export interface Labels {
  /** What a screen reader calls the editor. */
  name: string;
  /** Id of the element that says how to leave it by keyboard. */
  describedBy: string;
  placeholder: string;
}

export interface Editor {
  setWritable(writable: boolean): void;
  /** Highlights a language; one that is not known is plain text. */
  setLanguage(name: string): void;
}

const highlighting = HighlightStyle.define([
  { tag: tags.keyword, class: "tok-keyword" },
  { tag: [tags.typeName, tags.className], class: "tok-type" },
  { tag: [tags.string, tags.regexp, tags.monospace], class: "tok-string" },
  { tag: [tags.number, tags.atom, tags.bool, tags.null], class: "tok-literal" },
  { tag: [tags.comment, tags.quote], class: "tok-comment" },
  {
    tag: [
      tags.definition(tags.variableName),
      tags.function(tags.definition(tags.variableName)),
      tags.propertyName,
      tags.link,
      tags.url,
    ],
    class: "tok-definition",
  },
  { tag: [tags.standard(tags.variableName), tags.self, tags.meta], class: "tok-builtin" },
  { tag: tags.heading, class: "tok-heading" },
  { tag: tags.strong, class: "tok-strong" },
  { tag: tags.emphasis, class: "tok-emphasis" },
  { tag: [tags.operator, tags.punctuation], class: "tok-punctuation" },
]);

/** `text` must still be empty: only what arrives from now on is shown. */
export function createEditor(
  parent: HTMLElement,
  text: Y.Text,
  awareness: Awareness,
  labels: Labels,
): Editor {
  const writability = new Compartment();
  const theme = new Compartment();
  const language = new Compartment();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const hasMouse = matchMedia("(hover: hover) and (pointer: fine)");

  showEmbedsAsCharacters(text); // before yCollab observes it
  const view = new EditorView({
    parent,
    state: EditorState.create({
      extensions: [
        // Only \n ends a line, as in Y.Text: a \r from elsewhere must not shift every position.
        EditorState.lineSeparator.of("\n"),
        EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, "\n")),
        EditorState.tabSize.of(4),
        indentUnit.of("    "),
        lineNumbers(),
        highlightSpecialChars(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        highlightSelectionMatches(),
        drawSelection(),
        bracketMatching(),
        closeBrackets(),
        indentOnInput(),
        language.of([]),
        syntaxHighlighting(highlighting),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({
          "aria-label": labels.name,
          "aria-describedby": labels.describedBy,
        }),
        theme.of(EditorView.darkTheme.of(dark.matches)),
        writability.of(readOnly),
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, indentWithTab]),
        yCollab(text, null),
        cursors(text, awareness), // after yCollab, which first brings the text up to date
      ],
    }),
  });

  dark.addEventListener("change", () =>
    view.dispatch({ effects: theme.reconfigure(EditorView.darkTheme.of(dark.matches)) }),
  );

  // Undo goes through Yjs and not through CodeMirror's read-only check.
  const writable: Extension = [keymap.of(yUndoManagerKeymap), placeholder(labels.placeholder)];
  let isWritable = false;
  let languageName: string | null = null;
  return {
    setLanguage(name) {
      if (name === languageName) return;
      languageName = name;
      void loadLanguage(name).then((loaded) => {
        if (name === languageName) view.dispatch({ effects: language.reconfigure(loaded) });
      });
    },
    setWritable(next) {
      if (next === isWritable) return;
      isWritable = next;
      view.dispatch({ effects: writability.reconfigure(next ? writable : readOnly) });
      // Ready to type, unless one is elsewhere already, or a keyboard on the screen would come up.
      if (next && document.activeElement === document.body && hasMouse.matches) view.focus();
    },
  };
}

/**
 * Another kind of client can put a picture or a mention into a text, one position long. The
 * binding takes insertions to be strings and hangs on anything else, so it is handed one character.
 * (An event computes its delta once: later observers see what an earlier one has put there.)
 */
function showEmbedsAsCharacters(text: Y.Text): void {
  text.observe((event) => {
    for (const part of event.delta) {
      if (part.insert !== undefined && typeof part.insert !== "string") part.insert = "\ufffc";
    }
  });
}

/** Not editable, yet a keyboard reaches it, to scroll and to copy. */
const readOnly: Extension = [
  EditorState.readOnly.of(true),
  EditorView.editable.of(false),
  EditorView.contentAttributes.of({ tabindex: "0", "aria-readonly": "true" }),
];
