/** Names after an @: completing them, and finding out whom a text means. Pure. */

export interface Named {
  name: string;
  /** null: a guest, who can be named but not notified. */
  user: string | null;
}

const SUGGESTED = 6;
const LONGEST_QUERY = 40;

/** The @ that is being typed before the caret: where it stands, and what follows it. */
export function typedMention(text: string, caret: number): { from: number; query: string } | null {
  const before = text.slice(0, caret);
  const from = before.lastIndexOf("@");
  if (from < 0 || isWord(before[from - 1])) return null;
  const query = before.slice(from + 1);
  return query.length > LONGEST_QUERY || /[\n@]|\s\s|^\s/.test(query) ? null : { from, query };
}

/** Who could be meant: a word of the name begins like that. */
export function matching(people: Named[], query: string): Named[] {
  const wanted = query.toLocaleLowerCase();
  const fits = ({ name }: Named) => {
    const lower = name.toLocaleLowerCase();
    return lower !== wanted && (lower.startsWith(wanted) || lower.includes(` ${wanted}`));
  };
  return unique(people).filter(fits).slice(0, SUGGESTED);
}

/** The user ids of those whom a text names. */
export function mentioned(text: string, people: Named[]): string[] {
  const names = new Set(splitMentions(text, people.map(({ name }) => name)));
  const users = people.flatMap(({ name, user }) => (user && names.has(`@${name}`) ? [user] : []));
  return [...new Set(users)];
}

/** A text in pieces, of which those that are a name after an @ are mentions. */
export function splitMentions(text: string, names: string[]): string[] {
  const longestFirst = [...new Set(names)].filter(Boolean).sort((a, b) => b.length - a.length);
  if (longestFirst.length === 0 || !text.includes("@")) return [text];
  const pattern = longestFirst.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  return text
    .split(new RegExp(`(?<![\\p{L}\\p{N}_])(@(?:${pattern}))(?![\\p{L}\\p{N}_])`, "u"))
    .filter(Boolean);
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}_]/u.test(character);
}

function unique(people: Named[]): Named[] {
  const seen = new Map(people.map((person) => [`${person.name}\n${person.user ?? ""}`, person]));
  return [...seen.values()];
}
