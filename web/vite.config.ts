import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../server/http/static",
    emptyOutDir: true,
    assetsInlineLimit: 0, // no data: URLs, so that the content security policy needs none
    license: { fileName: "licenses.md" },
  },
  server: {
    proxy: { "/yjs": { target: "ws://127.0.0.1:8000", ws: true } },
  },
});
