import { defineConfig } from "vite";

/** The server's pages; each is a file here and becomes one beside the others. */
const PAGES = ["index.html"];

export default defineConfig({
  base: "./",
  build: {
    outDir: "../server/http/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // no data: URLs, so that the content security policy needs none
    chunkSizeWarningLimit: 700, // kB; the editor alone is most of it, and is needed at once
    license: { fileName: "licenses.md" },
    rolldownOptions: { input: PAGES },
  },
  server: {
    proxy: {
      "/yjs": { target: "ws://127.0.0.1:8000", ws: true },
      "/hocuspocus": { target: "ws://127.0.0.1:8000", ws: true },
      "/api": "http://127.0.0.1:8000",
    },
  },
});
