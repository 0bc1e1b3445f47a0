// Frame times of the Fleet screen over 10,000 nodes, in a browser on the fake API: node scripts/frames.mjs [loops]
// A measurement, not a test: it prints one JSON line a gesture and never fails for being slow.
import { fileURLToPath } from 'node:url';
import { chromium as playwright } from 'playwright';
import { build, preview } from 'vite';
import { chromium } from './chromium.mjs';

const executablePath = chromium();
if (!executablePath) {
  console.error('*** NO CHROMIUM: nothing measured. Install chromium or set CHROMIUM_BIN. ***');
  process.exit(1);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const loops = Number(process.argv[2] ?? 3);
/** A frame of a display at 60 Hz, with the jitter of its clock. */
const FRAME_MS = 1000 / 60 + 1;

await build({ root, mode: 'fake', logLevel: 'error' });
const server = await preview({ root, mode: 'fake', build: { outDir: 'dist-fake' }, preview: { port: 4198, strictPort: true }, logLevel: 'error' });
const browser = await playwright.launch({ executablePath, args: ['--no-sandbox'] });

/** Records the time between frames, and the main thread's work in each, until stopped. */
function record() {
  const frames = [];
  let last = null;
  let on = true;
  const tick = (now) => {
    const begun = performance.now();
    if (last !== null) frames.push({ gap: now - last, work: 0 });
    last = now;
    // After the frame's own work, styles and paint commands included.
    const channel = new MessageChannel();
    const at = frames.length - 1;
    channel.port1.onmessage = () => {
      if (frames[at]) frames[at].work = performance.now() - begun;
    };
    channel.port2.postMessage(null);
    if (on) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  window.stopFrames = () => {
    on = false;
    return frames;
  };
}

const GESTURES = {
  rest: async (page) => page.waitForTimeout(1_500),
  'hover over cells': async (page, { x, y, width, height }) => {
    for (let step = 0; step < 120; step += 1) await page.mouse.move(x + 4 + ((step * 37) % (width - 16)), y + 4 + ((step * 11) % (height - 8)));
  },
  'arrow keys over cells': async (page) => {
    await page.getByRole('application', { name: /Node matrix/ }).focus();
    for (let step = 0; step < 120; step += 1) await page.keyboard.press(step % 12 === 11 ? 'ArrowDown' : 'ArrowRight');
  },
  'scroll the matrix': async (page, { x, y, width, height }) => {
    await page.mouse.move(x + width / 2, y + height / 2);
    for (let step = 0; step < 120; step += 1) await page.mouse.wheel(0, step < 60 ? 12 : -12);
  },
  'scroll the table': async (page) => {
    const box = await page.getByRole('grid', { name: 'Nodes' }).boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    for (let step = 0; step < 120; step += 1) await page.mouse.wheel(0, 240);
  },
  'arrow keys over rows': async (page) => {
    await page.getByRole('grid', { name: 'Nodes' }).focus();
    for (let step = 0; step < 120; step += 1) await page.keyboard.press('ArrowDown');
  },
};

const part = (sorted, share) => Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1));
for (const [width, height] of [[1280, 800], [1920, 1080]]) {
  for (const order of ['name', 'worst']) {
    for (const [gesture, run] of Object.entries(GESTURES)) {
      const gaps = [];
      const works = [];
      for (let loop = 0; loop < loops; loop += 1) {
        const page = await browser.newPage({ viewport: { width, height } });
        await page.goto(`http://localhost:4198/?fleet=edge-world#/fleet${order === 'worst' ? '?matrix=worst' : ''}`);
        await page.getByRole('grid', { name: 'Nodes' }).waitFor();
        await page.waitForTimeout(600);
        const box = await page.locator('canvas').first().boundingBox();
        await page.evaluate(record);
        await run(page, box);
        for (const frame of await page.evaluate(() => window.stopFrames())) {
          gaps.push(frame.gap);
          works.push(frame.work);
        }
        await page.close();
      }
      gaps.sort((a, b) => a - b);
      works.sort((a, b) => a - b);
      const late = gaps.filter((gap) => gap > FRAME_MS).length;
      console.log(JSON.stringify({ window: `${width}x${height}`, order, gesture, frames: gaps.length, gap_p50_ms: part(gaps, 0.5), gap_p95_ms: part(gaps, 0.95), gap_max_ms: part(gaps, 1), late, work_p50_ms: part(works, 0.5), work_p95_ms: part(works, 0.95), work_max_ms: part(works, 1) }));
    }
  }
}
await browser.close();
await new Promise((resolve) => server.httpServer.close(resolve));
