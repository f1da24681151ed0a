/**
 * Where the others are in the text, and telling them where one is oneself.
 *
 * The awareness field is y-codemirror.next's (`cursor: {anchor, head}`, relative positions), so
 * its users and this page see each other. Drawing is done here because a state is its sender's
 * word: colours come from the client id instead, and a malformed position is left out.
 */

import { type Extension, type Range, StateEffect } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  EditorView,
  type PluginValue,
  ViewPlugin,
  type ViewUpdate,
  WidgetType,
} from "@codemirror/view";
import type { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";

import { nameOf, personClass } from "./people";

interface AwarenessChange {
  added: number[];
  updated: number[];
  removed: number[];
}

const othersMoved = StateEffect.define<null>();

class Caret extends WidgetType {
  constructor(
    private readonly id: number,
    private readonly name: string,
    /** Changes when its owner moves it, not when text before it does. */
    private readonly place: string,
  ) {
    super();
  }

  /** Another place makes a new element, which shows the name for a moment again. */
  override eq(other: Caret): boolean {
    return other.id === this.id && other.name === this.name && other.place === this.place;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = `other-caret ${personClass(this.id)}`;
    caret.dataset.name = this.name; // shown by the style sheet: not part of the text, not copied
    caret.ariaHidden = "true";
    return caret;
  }

  /** A click beside the caret is a click into the text. */
  override ignoreEvent(): boolean {
    return false;
  }
}

class Cursors implements PluginValue {
  decorations: DecorationSet = Decoration.none;
  private frame = 0;
  private readonly root: string;

  constructor(
    private readonly view: EditorView,
    private readonly text: Y.Text,
    private readonly awareness: Awareness,
  ) {
    this.root = Y.findRootTypeKey(text);
    awareness.on("change", this.onAwareness);
    this.decorations = this.draw();
  }

  update(update: ViewUpdate): void {
    if (update.selectionSet || update.docChanged || update.focusChanged) this.publish();
    const moved = update.transactions.some((tr) => tr.effects.some((e) => e.is(othersMoved)));
    if (moved || update.docChanged) this.decorations = this.draw();
  }

  destroy(): void {
    this.awareness.off("change", this.onAwareness);
    cancelAnimationFrame(this.frame);
  }

  private readonly onAwareness = ({ added, updated, removed }: AwarenessChange) => {
    if ([...added, ...updated, ...removed].every((id) => id === this.awareness.clientID)) return;
    // Many people move in one frame: one redraw.
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.view.dispatch({ effects: othersMoved.of(null) });
    });
  };

  private publish(): void {
    if (!this.view.hasFocus) return;
    const { anchor, head } = this.view.state.selection.main;
    const cursor = { anchor: this.relative(anchor), head: this.relative(head) };
    const known = this.awareness.getLocalState()?.cursor;
    if (JSON.stringify(known) !== JSON.stringify(cursor)) {
      this.awareness.setLocalStateField("cursor", cursor);
    }
  }

  private relative(index: number): unknown {
    return Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(this.text, index));
  }

  private draw(): DecorationSet {
    const ranges: Range<Decoration>[] = [];
    for (const [id, state] of this.awareness.getStates()) {
      if (id === this.awareness.clientID) continue;
      const anchor = this.absolute(state.cursor?.anchor);
      const head = this.absolute(state.cursor?.head);
      if (anchor === null || head === null) continue;
      if (anchor !== head) {
        const mark = Decoration.mark({ class: `other-selection ${personClass(id)}` });
        ranges.push(mark.range(Math.min(anchor, head), Math.max(anchor, head)));
      }
      const widget = new Caret(id, nameOf(id, state), JSON.stringify(state.cursor.head));
      ranges.push(Decoration.widget({ widget, side: head > anchor ? -1 : 1 }).range(head));
    }
    return Decoration.set(ranges, true);
  }

  /** The index in the text, or null for anything that is no position in it. */
  private absolute(json: unknown): number | null {
    try {
      const relative = Y.createRelativePositionFromJSON(json);
      // Looking up any other root name would create it here.
      if (relative.item === null && relative.tname !== this.root) return null;
      const position = Y.createAbsolutePositionFromRelativePosition(relative, this.text.doc!);
      if (position?.type !== this.text) return null;
      return Math.min(position.index, this.view.state.doc.length);
    } catch {
      return null;
    }
  }
}

export function cursors(text: Y.Text, awareness: Awareness): Extension {
  return ViewPlugin.define((view) => new Cursors(view, text, awareness), {
    decorations: (plugin) => plugin.decorations,
  });
}
