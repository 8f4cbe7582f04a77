import { defineConfig } from "vite";

import { singleFile } from "./vite/single_file.ts";

export default defineConfig({
  base: "./",
  build: {
    target: ["es2020", "chrome87", "firefox78", "safari14"],
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    rollupOptions: { output: { format: "iife" } },
  },
  plugins: [singleFile(["@noble/hashes", "uqr"])],
});
