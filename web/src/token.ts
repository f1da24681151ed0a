/** What the token says about its bearer. Only for show: the server alone judges it. */

export interface Bearer {
  /** null: a guest. */
  user: string | null;
  name: string;
}

export function readBearer(token: string | null): Bearer {
  try {
    const part = (token ?? "").split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (character) =>
      character.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return {
      user: typeof claims.sub === "string" ? claims.sub : null,
      name: typeof claims.name === "string" ? claims.name : "",
    };
  } catch {
    return { user: null, name: "" };
  }
}
