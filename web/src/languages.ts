/** Highlighting for a session's language; what few sessions need is loaded when one does. */

import type { Extension } from "@codemirror/state";

import { solidity } from "./solidity";

const LOADERS: Record<string, () => Promise<Extension>> = {
  "": () => Promise.resolve(solidity()), // the session says none
  solidity: () => Promise.resolve(solidity()),
  javascript: () => import("@codemirror/lang-javascript").then((it) => it.javascript({ jsx: true })),
  typescript: () =>
    import("@codemirror/lang-javascript").then((it) => it.javascript({ jsx: true, typescript: true })),
  python: () => import("@codemirror/lang-python").then((it) => it.python()),
  markdown: () => import("@codemirror/lang-markdown").then((it) => it.markdown()),
  json: () => import("@codemirror/lang-json").then((it) => it.json()),
};

/** Nothing for a language that is not known, or that could not be loaded. */
export async function loadLanguage(name: string): Promise<Extension> {
  const load = Object.hasOwn(LOADERS, name.toLowerCase()) ? LOADERS[name.toLowerCase()] : undefined;
  try {
    return (await load?.()) ?? [];
  } catch {
    return []; // offline: text without colours is still text
  }
}
