// Runs vitest; component tests need a Chromium and are left out, loudly, where there is none.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chromium } from './chromium.mjs';

const found = chromium();
if (!found) {
  console.error('\n*** NO CHROMIUM: component tests are NOT run. Install chromium or set CHROMIUM_BIN. ***\n');
}
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const { status } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, ...(found ? { CHROMIUM_BIN: found } : {}) },
});
process.exit(status ?? 1);
