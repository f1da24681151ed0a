/** A message's text as elements: links to follow, names marked. Anything else stays text. */

import { h } from "../dom";
import { splitMentions } from "./mentions";

const ADDRESS = /(https?:\/\/[^\s<>"'`]+)/gi;
const TRAILING = /[.,;:!?…)\]}*_]+$/;

/** `own`: the name that is marked as meaning the reader. */
export function richText(text: string, names: string[], own: string): Node[] {
  return text
    .split(ADDRESS)
    .flatMap((piece, index) => (index % 2 === 1 ? link(piece) : named(piece, names, own)));
}

function link(address: string): Node[] {
  const trailing = closesItself(address) ? "" : (TRAILING.exec(address)?.[0] ?? "");
  const bare = address.slice(0, address.length - trailing.length);
  if (!URL.canParse(bare)) return [document.createTextNode(address)];
  const anchor = h("a", { href: bare, target: "_blank", rel: "noopener noreferrer nofollow" }, bare);
  return trailing ? [anchor, document.createTextNode(trailing)] : [anchor];
}

/** An address like …/Set_(mathematics) ends with a bracket of its own. */
function closesItself(address: string): boolean {
  return address.endsWith(")") && address.split("(").length === address.split(")").length;
}

function named(text: string, names: string[], own: string): Node[] {
  const known = new Set(names.map((name) => `@${name}`));
  return splitMentions(text, names).map((piece) => {
    if (!known.has(piece)) return document.createTextNode(piece);
    const mention = h("bdi", { className: "mention" }, piece);
    if (piece === `@${own}`) mention.classList.add("mention-own");
    return mention;
  });
}
