/** A button that copies a link and says for a moment whether it could. */

import { button, h } from "./dom";
import { strings } from "./strings";

const FEEDBACK_MS = 2000;

export function copyButton(link: string): HTMLButtonElement {
  const element = button("button copy", strings.copyLink, () => void giveFeedback(element, link));
  return element;
}

async function giveFeedback(element: HTMLButtonElement, link: string): Promise<void> {
  element.textContent = (await copyText(link)) ? strings.linkCopied : strings.linkNotCopied;
  setTimeout(() => (element.textContent = strings.copyLink), FEEDBACK_MS);
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
