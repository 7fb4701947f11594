import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `vite` in this folder serves the sources beside a server on its usual port; `vite build` makes what the server sends. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: '../dist/dashboard',
    emptyOutDir: true,
    target: 'es2023',
    // Everything is a file of its own: the page's policy allows no data in addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Whose code browsers get, with the whole texts of the licences: it goes where the files go, and is sent to nobody.
    license: { fileName: 'licenses.json' },
  },
  server: { proxy: { '/graphql': { target: 'http://127.0.0.1:4000', ws: true } } },
});
