/** Solidity for the editor: colours and indentation from a line-by-line tokenizer, no parser. */

import { LanguageSupport, StreamLanguage, type StreamParser } from "@codemirror/language";

const words = (text: string) => new Set(text.split(" "));

const KEYWORDS = words(
  "abstract anonymous as assembly break calldata case catch constant constructor continue contract " +
    "default delete do else emit enum error event external fallback final for from function global if " +
    "immutable import indexed interface internal is leave let library mapping memory modifier new " +
    "override payable pragma private public pure receive return returns revert storage struct switch " +
    "throw transient try type unchecked using var view virtual while",
);
const DEFINING = words("contract interface library struct enum event error function modifier");
const GLOBALS = words(
  "abi addmod assert block blockhash ecrecover gasleft keccak256 msg mulmod now require ripemd160 " +
    "selfdestruct sha256 super this tx",
);
const ATOMS = words("true false wei gwei ether seconds minutes hours days weeks");
const TYPE = /^(?:address|bool|string|byte|u?int\d*|bytes\d*|u?fixed(?:\d+x\d+)?)$/;

interface State {
  inComment: "comment" | "docComment" | null;
  afterDefining: boolean;
  depth: number;
}

const parser: StreamParser<State> = {
  name: "solidity",
  startState: () => ({ inComment: null, afterDefining: false, depth: 0 }),

  token(stream, state) {
    if (state.inComment) {
      const style = state.inComment;
      if (stream.match(/^.*?\*\//)) state.inComment = null;
      else stream.skipToEnd();
      return style;
    }
    if (stream.eatSpace()) return null;

    const comment = stream.match(/^\/(?:\/\/?|\*\*?(?!\/))/) as RegExpMatchArray | null;
    if (comment) {
      const style = comment[0].length === 3 ? "docComment" : "comment";
      if (comment[0].startsWith("/*")) state.inComment = style;
      else stream.skipToEnd();
      return style;
    }
    if (stream.match(/^(?:hex|unicode)?(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)/)) return "string";
    if (stream.match(/^(?:0[xX][\da-fA-F_]*|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE]-?\d+)?)/)) {
      return "number";
    }

    const word = stream.match(/^[\p{L}$_][\p{L}\p{N}$_]*/u) as RegExpMatchArray | null;
    if (word) {
      const text = word[0];
      const isDefinition = state.afterDefining;
      state.afterDefining = false;
      if (TYPE.test(text)) return "typeName";
      if (ATOMS.has(text)) return "atom";
      if (KEYWORDS.has(text)) {
        state.afterDefining = DEFINING.has(text);
        return "keyword";
      }
      if (isDefinition) return "variableName.definition";
      if (GLOBALS.has(text)) return "variableName.standard";
      return "variableName";
    }

    state.afterDefining = false;
    if (stream.match(/^[-+*/%=<>!&|^~?]+/)) return "operator";
    const character = stream.next() ?? "";
    if ("{([".includes(character)) state.depth += 1;
    else if ("})]".includes(character)) state.depth = Math.max(0, state.depth - 1);
    return "{}()[];,.:".includes(character) ? "punctuation" : null;
  },

  indent(state, textAfter, context) {
    if (state.inComment) return null;
    const closing = /^\s*[})\]]/.test(textAfter) ? 1 : 0;
    return Math.max(0, state.depth - closing) * context.unit;
  },

  languageData: {
    commentTokens: { line: "//", block: { open: "/*", close: "*/" } },
    indentOnInput: /^\s*[})\]]$/,
  },
};

export function solidity(): LanguageSupport {
  return new LanguageSupport(StreamLanguage.define(parser));
}
