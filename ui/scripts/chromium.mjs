import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of a Chromium on this machine, from CHROMIUM_BIN or PATH; nothing where there is none. */
export function chromium() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = [process.env.CHROMIUM_BIN, ...folders.flatMap((folder) => names.map((name) => join(folder, name)))];
  return candidates.find((path) => {
    if (!path) return false;
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
