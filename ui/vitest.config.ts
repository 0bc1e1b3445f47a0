import { playwright } from '@vitest/browser-playwright';
import { defineConfig, mergeConfig } from 'vitest/config';
import viteConfig from './vite.config';

// Logic runs in Node; components run in a real browser. Without one, scripts/test.mjs runs the logic only and says so.
const chromium = process.env['CHROMIUM_BIN'];

export default mergeConfig(
  viteConfig({ mode: 'fake', command: 'serve' }),
  defineConfig({
    test: {
      projects: [
        { extends: true, test: { name: 'logic', environment: 'node', include: ['src/**/*.logic.test.ts', 'src/**/fake.test.ts'] } },
        ...(chromium
          ? [
              {
                extends: true as const,
                // What screens that are read late import: found late, it would reload a test.
                optimizeDeps: { include: ['axe-core', 'fast-check', 'markdown-it', 'dompurify', ...['activity', 'book-x', 'monitor-up', 'package-check', 'search-x', 'stethoscope'].map((icon) => `@lucide/svelte/icons/${icon}`)] },
                test: {
                  name: 'window',
                  include: ['src/**/*.window.test.ts'],
                  browser: {
                    enabled: true,
                    headless: true,
                    screenshotFailures: false,
                    viewport: { width: 1280, height: 800 },
                    provider: playwright({ launchOptions: { executablePath: chromium, args: ['--no-sandbox'] } }),
                    instances: [{ browser: 'chromium' as const }],
                  },
                },
              },
            ]
          : []),
      ],
    },
  }),
);
