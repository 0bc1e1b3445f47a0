import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

// The window's policy, so that a browser preview breaks where the window would.
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self' ipc: http://ipc.localhost; object-src 'none'; base-uri 'none'; form-action 'none'";

const cspMeta = (): Plugin => ({
  name: 'csp-meta',
  apply: 'build',
  transformIndexHtml: () => [
    { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: CSP }, injectTo: 'head-prepend' },
  ],
});

/** `--mode fake` builds the same window on the fake API, for a browser. */
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), ...(mode === 'fake' ? [cspMeta()] : [])],
  resolve: {
    alias: [
      {
        find: '$api-implementation',
        replacement: fileURLToPath(new URL(mode === 'fake' ? './src/lib/api/fake.ts' : './src/lib/api/tauri.ts', import.meta.url)),
      },
      { find: '$lib', replacement: fileURLToPath(new URL('./src/lib', import.meta.url)) },
    ],
  },
  clearScreen: false,
  server: { port: 5173, strictPort: true, fs: { allow: ['..'] } },
  build: {
    target: 'safari16.4',
    outDir: mode === 'fake' ? 'dist-fake' : 'dist',
    emptyOutDir: true,
    // A data: URL is refused by `font-src 'self'`, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
}));
