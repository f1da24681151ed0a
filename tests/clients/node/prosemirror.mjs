/** Documents of y-prosemirror, without a page: its own functions on a client's Y.Doc. */
import { Node, Schema } from "prosemirror-model";
import { schema as basic } from "prosemirror-schema-basic";
import { addListNodes } from "prosemirror-schema-list";
import { updateYFragment, yXmlFragmentToProseMirrorRootNode, yXmlFragmentToProsemirrorJSON } from "y-prosemirror";

const comment = { attrs: { id: {} }, excludes: "" }; // a text may have several
const link = { attrs: { href: {}, target: { default: null }, title: { default: null } }, inclusive: false };

const SCHEMAS = {
  prosemirror: new Schema({
    nodes: addListNodes(basic.spec.nodes, "paragraph block*", "block").update("code_block", {
      ...basic.spec.nodes.get("code_block"),
      attrs: { language: { default: null } },
    }),
    marks: basic.spec.marks.addToEnd("strike", {}).addToEnd("comment", comment),
  }),
  // Tiptap's names, as its StarterKit has them.
  tiptap: new Schema({
    nodes: {
      doc: { content: "block+" },
      paragraph: { content: "inline*", group: "block" },
      heading: { content: "inline*", group: "block", attrs: { level: { default: 1 } } },
      blockquote: { content: "block+", group: "block" },
      bulletList: { content: "listItem+", group: "block" },
      orderedList: { content: "listItem+", group: "block", attrs: { start: { default: 1 }, type: { default: null } } },
      listItem: { content: "paragraph block*" },
      codeBlock: { content: "text*", marks: "", group: "block", code: true, attrs: { language: { default: null } } },
      horizontalRule: { group: "block" },
      hardBreak: { inline: true, group: "inline" },
      image: { inline: true, group: "inline", attrs: { src: {}, alt: { default: null }, title: { default: null } } },
      text: { group: "inline" },
    },
    marks: { link, bold: {}, italic: {}, strike: {}, code: {}, comment },
  }),
};

/** Makes a fragment hold a document, as the editor's binding does on every change. */
export function write(document, { type, schema, json }) {
  const node = Node.fromJSON(SCHEMAS[schema], json);
  node.check();
  updateYFragment(document, document.getXmlFragment(type), node, { mapping: new Map(), isOMark: new Map() });
}

/** raw: the JSON that y-prosemirror makes of it; seen: what an editor of that schema shows. */
export function read(document, { type, schema }) {
  const fragment = document.getXmlFragment(type);
  const seen = yXmlFragmentToProseMirrorRootNode(fragment, SCHEMAS[schema]);
  seen.check();
  return { raw: yXmlFragmentToProsemirrorJSON(fragment), seen: seen.toJSON() };
}

/** A document as an editor of that schema shows it: with defaults, and marks in the schema's order. */
export function normal({ schema, json }) {
  return Node.fromJSON(SCHEMAS[schema], json).toJSON();
}
