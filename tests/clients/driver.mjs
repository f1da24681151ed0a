/**
 * Hosts many real Yjs clients in one process, commanded by lines of JSON.
 *
 * stdin: {"id", "op", …}; stdout: {"id", "ok": true, "result"} or {"id", "error"}. Operations run
 * side by side and are answered when done, in any order. What providers print goes to stderr.
 */
import { createInterface } from "node:readline";
import { run } from "./node/operations.mjs";

const printed = [];
for (const level of ["log", "info", "warn", "error"]) {
  console[level] = (...values) => {
    const line = values.map((value) => (value instanceof Error ? value.stack : String(value))).join(" ");
    if (printed.length === 1_000) printed.shift();
    printed.push({ level, line });
    process.stderr.write(`${line}\n`);
  };
}

// What would be a red line in a browser's console must not end every other client.
process.on("uncaughtException", (error) => console.error("uncaught:", error));
process.on("unhandledRejection", (error) => console.error("unhandled:", error));
process.setMaxListeners(0); // each y-websocket provider listens for "exit"

const answer = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function obey(line) {
  const { id, ...command } = JSON.parse(line);
  if (command.op === "exit") process.exit(0);
  if (command.op === "printed") return answer({ id, ok: true, result: printed });
  try {
    answer({ id, ok: true, result: (await run(command)) ?? null });
  } catch (error) {
    answer({ id, error: error.message });
  }
}

createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", obey).on("close", () => process.exit(0));
