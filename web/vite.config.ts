import { defineConfig } from "vite";

/** The server's pages; each is a file here and becomes one beside the others. */
const PAGES = ["index.html", "api/docs.html"];

export default defineConfig({
  base: "./",
  build: {
    outDir: "../server/http/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // no data: URLs, so that the content security policy needs none
    chunkSizeWarningLimit: 1600, // kB; the editor (500) and Swagger UI come whole, each on its page
    license: { fileName: "licenses.md" },
    rolldownOptions: { input: PAGES },
  },
  server: {
    proxy: {
      "/yjs": { target: "ws://127.0.0.1:8000", ws: true },
      "/hocuspocus": { target: "ws://127.0.0.1:8000", ws: true },
      "/api/v1": "http://127.0.0.1:8000",
      "/api/openapi.json": "http://127.0.0.1:8000",
    },
  },
});
