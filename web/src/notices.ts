/**
 * What the server says beside the document: the JSON in Hocuspocus stateless messages.
 * server/protocol/messages.py is where these are defined.
 */

export type Role = "viewer" | "commenter" | "editor" | "teacher";

export interface SessionState {
  type: "session.state";
  role: Role;
  status: "ACTIVE" | "ARCHIVED" | "EXPIRED";
  may_write: boolean;
  may_chat: boolean;
  /** Why the session is closed to writing; empty while it is not. */
  reason: string;
  title: string;
  language: string;
  /** Of the newest chat message when this was sent. */
  chat_revision: number;
}

export interface SessionFull {
  type: "session.full";
  reason: string;
}

export interface ChatMessage {
  /** 1, 2, 3, … in the order of the session. */
  seq: number;
  /** Rises over the session with every message, edit and deletion. */
  revision: number;
  client_message_id: string;
  /** null: a guest. */
  user: string | null;
  name: string;
  /** Empty once it was deleted. */
  body: string;
  reply_to: number | null;
  mentions: string[];
  sent_at: string;
  edited_at: string | null;
  deleted_at: string | null;
}

export interface ChatSaid {
  type: "chat.message";
  message: ChatMessage;
}

export interface ChatSaved {
  type: "chat.saved";
  client_message_id: string;
  seq: number;
  revision: number;
}

export interface ChatMessages {
  type: "chat.messages";
  /** The type of the command that this answers. */
  request: string;
  messages: ChatMessage[];
  revision: number;
  more: boolean;
}

export interface Refused {
  type: "refused";
  request: string;
  code: string;
  reason: string;
  client_message_id: string;
  /** Seconds after which it may go through; null: never as it is. */
  retry_after: number | null;
}

export type ChatNotice = ChatSaid | ChatSaved | ChatMessages | Refused;
export type Notice = ChatNotice | SessionState | SessionFull;

export type ChatCommand =
  | {
      type: "chat.send";
      client_message_id: string;
      body: string;
      reply_to: number | null;
      mentions: string[];
      /** What others read whose sender's token has no name. */
      name: string;
    }
  | { type: "chat.edit"; client_message_id: string; seq: number; body: string; mentions: string[] }
  | { type: "chat.delete"; client_message_id: string; seq: number }
  | { type: "chat.read"; since: number; limit: number }
  | { type: "chat.history"; before: number | null; limit: number };

/** null: not JSON; a later server may also say things of other types. */
export function parseNotice(payload: string): Notice | null {
  try {
    return JSON.parse(payload) as Notice;
  } catch {
    return null;
  }
}
