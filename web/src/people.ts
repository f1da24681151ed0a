/**
 * Who is here, from the awareness states. A state is whatever its sender made it,
 * so names are cleaned here and the colour follows from the client id alone.
 */

import type { Awareness } from "y-protocols/awareness";

import { read, write } from "./storage";
import { strings } from "./strings";

export const NAME_LENGTH = 40;
const USER_LENGTH = 255;
const NAME_KEY = "lyceum.name";

/** For editors that read a colour from the state; this page styles by `.person-0` … `.person-11`. */
const COLOURS = [
  "#b04d59", "#ae5528", "#9d6400", "#7e7400", "#4e822c", "#00885e",
  "#008889", "#007faa", "#3772bb", "#6b64ba", "#8e57a5", "#a54f83",
] as const;

export interface Person {
  id: number;
  name: string;
  /** As it says itself; null: a guest. */
  user: string | null;
  isSelf: boolean;
}

export function colourIndex(clientId: number): number {
  return clientId % COLOURS.length;
}

export function personClass(clientId: number): string {
  return `person-${colourIndex(clientId)}`;
}

export function guestName(clientId: number): string {
  return strings.guest(100 + (clientId % 900));
}

/** Control and direction-changing characters out, white space collapsed, cut to NAME_LENGTH. */
export function cleanName(name: unknown): string {
  if (typeof name !== "string") return "";
  const plain = name
    .slice(0, 10 * NAME_LENGTH)
    .replace(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]+/gu, " ")
    .replace(/\s+/g, " ");
  return [...plain.trim()].slice(0, NAME_LENGTH).join("").trim();
}

export function nameOf(clientId: number, state: unknown): string {
  const user = field(state, "user");
  return cleanName(field(user, "name")) || guestName(clientId);
}

function userOf(state: unknown): string | null {
  const id = field(field(state, "user"), "id");
  return typeof id === "string" && id !== "" && id.length <= USER_LENGTH ? id : null;
}

/** Everybody present, oneself first, then by name. */
export function peopleIn(awareness: Awareness): Person[] {
  const people = [...awareness.getStates()].map(([id, state]) => ({
    id,
    name: nameOf(id, state),
    user: userOf(state),
    isSelf: id === awareness.clientID,
  }));
  return people.sort(
    (a, b) =>
      Number(b.isSelf) - Number(a.isSelf) || a.name.localeCompare(b.name) || a.id - b.id,
  );
}

/** Tells the others one's name ("" means the guest name) and, to be mentioned by, one's user id. */
export function introduce(awareness: Awareness, chosenName: string, user: string | null): void {
  const color = COLOURS[colourIndex(awareness.clientID)]!;
  const name = cleanName(chosenName) || guestName(awareness.clientID);
  const id = user === null ? {} : { id: user };
  awareness.setLocalStateField("user", { name, color, colorLight: `${color}33`, ...id });
}

export function rememberedName(): string {
  return cleanName(read(() => localStorage, NAME_KEY));
}

export function rememberName(name: string): void {
  write(() => localStorage, NAME_KEY, cleanName(name));
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
