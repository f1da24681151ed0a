"""The words of docs/benchmarks.md."""

INTRODUCTION = """\
# Benchmarks

Lyceum and other servers for Yjs documents, on the same machine and under the same load, each run on
a fresh server with the others in turn. Figures are medians of the runs, with the least and the
most of them in brackets where there were several.

Edits are real Yjs updates over real WebSockets. A latency runs from the moment an edit is written
to its author's socket until it is found in what another client's socket received. After a run
every client must have every edit, and whoever joins fresh must find each of them in the document,
once; a run in which one is missing shows as failed.
"""
WHAT = {
    "lyceum": (
        "Lyceum",
        "everything: each edit is committed to Postgres (embedded, `fsync` on), signed tokens, "
        "limits at their defaults, activity is counted",
    ),
    "y-websocket-server": (
        "y-websocket-server",
        "documents in memory; no tokens, nothing is stored",
    ),
    "hocuspocus": ("Hocuspocus", "documents in memory; no tokens, nothing is stored"),
    "hocuspocus-postgres": (
        "Hocuspocus with its database extension",
        "whole documents are stored in the same Postgres some seconds after a change; no tokens",
    ),
    "pycrdt-websocket": ("pycrdt-websocket", "documents in memory; no tokens, nothing is stored"),
}
ABOUT = {
    "session-50": "All are in one document and see each other's edits.",
    "session-200": "The same with more people.",
    "session-200-highest": "The highest rate of edits at which p99 stays below 250 ms.",
    "session-500": "The same with more people.",
    "sessions-4": "2,000 people in small groups.",
    "sessions-4-highest": "The highest rate of edits at which p99 stays below 250 ms.",
    "idle": "20 in each session, who do nothing, then renew their presence as clients do.",
    "idle-50000": (
        "20 in each session, without presence. Counted are those that are still there after some "
        "others have typed and seen each other's edits. Where one process may not open so many "
        "files, several servers on one database share them."
    ),
    "memory": (
        "1,000 sessions of one and 50 of 20, all empty, then 20 documents into which one person "
        "each pastes 100 × 10 kB; then everybody leaves, and the server has 30 s. Of the server's "
        "own processes; Lyceum's Postgres keeps what it cached. Sessions are let go after 1 s here "
        "(`LYCEUM_LINGER_SECONDS`), after 30 s by default."
    ),
    "large-document": (
        "A history of 260,000 single edits by one author. Joins one after the other, then 100 at "
        "the same moment until the last has it. `b4.update` is a real one, from "
        "<https://github.com/josephg/editing-traces>, as one Yjs update; without `--document` the "
        "benchmark writes one of the same size."
    ),
    "cursors": (
        "A move has arrived when a receiver has it or a newer one of the same cursor: who leaves "
        "out what is outdated is not late."
    ),
    "comeback": (
        "500 sessions of 4. The server is started again at once; each client tries every 100 ms "
        "or so, and brings back what the server has lost: everything, without a journal."
    ),
    "slow-reader": (
        "Their sockets are not read for as long as the others paste; then they go on. Memory is "
        "what the server grew by more than when all were reading (0: not more), without Postgres."
    ),
    "saved": (
        "From sending an edit until its author is told that it is safe. Lyceum says so once it is "
        "committed; Hocuspocus once it is in memory, with its database extension as well. Server "
        "and Postgres share both cores with the generator here."
    ),
}
METHOD = """\
## How it is measured

- The server with its database is pinned to one core, the generator to another. CPU is that of the
  whole process tree, where 100 % is one core; memory is its proportional set size. The lighter end
  of a bar, “Postgres” in a table, is what the database has of it: the price of durability. A bar
  that is cut goes on, as the number beside it says.
- The generator is told what to send and when, and watches itself. “≥” marks a rate at which it was
  the limit itself, “≤” a latency to which its own lateness has added (its core was more than 90 %
  busy, or its loop late by more than 20 ms).
- Some receivers look up every edit, so that there are at most 40,000 look-ups a second; the others
  count them.
- *The highest rate* is raised until p99 is over 250 ms, then narrowed down to 12 %. A rate that
  fails with a p99 below a second is tried once more.
- Memory of sessions and documents and the 50,000 connections are measured once.
- *Other load* is the share of a core that other processes of the machine took, at most; with what
  the hypervisor took, if the machine is a virtual one.
- y-websocket-server needs `@y/protocols@1.0.6-1`. pycrdt-websocket forgets clients that join while
  a session is being opened, so one client opens each session before the others come.
"""
SMALL = "**This was a small run: it judges correctness; its figures say nothing.**\n"
