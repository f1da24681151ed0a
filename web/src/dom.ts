/** Making elements. Strings become text, never HTML. */

/** An element from its properties and children. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Partial<HTMLElementTagNameMap[Tag]>,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A button that is only words. */
export function button(className: string, text: string, onClick: () => void): HTMLButtonElement {
  const element = h("button", { className, type: "button" }, text);
  element.addEventListener("click", onClick);
  return element;
}

/** Sets a live region only when it changes: each setting may be read out. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
