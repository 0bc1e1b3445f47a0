export type Theme = 'system' | 'dark' | 'light' | 'contrast';
export const THEMES: readonly { theme: Theme; word: string }[] = [
  { theme: 'dark', word: 'Dark' },
  { theme: 'light', word: 'Light' },
  { theme: 'contrast', word: 'High contrast' },
  { theme: 'system', word: 'As the system' },
];

const KEY = 'plumbline.prefs';

function read(): { theme: Theme; utc: boolean } {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    const { theme, utc } = stored as { theme?: unknown; utc?: unknown };
    return { theme: THEMES.find((entry) => entry.theme === theme)?.theme ?? 'dark', utc: utc !== false };
  } catch {
    return { theme: 'dark', utc: true };
  }
}

/** How this person wants to see things; kept on this machine only. */
export class Prefs {
  #theme = $state<Theme>('dark');
  #utc = $state(true);

  constructor() {
    const { theme, utc } = read();
    this.#theme = theme;
    this.#utc = utc;
    this.#show();
  }

  get theme(): Theme {
    return this.#theme;
  }
  get utc(): boolean {
    return this.#utc;
  }

  setTheme(theme: Theme): void {
    this.#theme = theme;
    this.#keep();
    this.#show();
  }

  toggleUtc(): void {
    this.#utc = !this.#utc;
    this.#keep();
  }

  /** Follows the system where that was chosen. */
  follow(): () => void {
    const light = matchMedia('(prefers-color-scheme: light)');
    const contrast = matchMedia('(prefers-contrast: more)');
    const show = () => this.#show();
    light.addEventListener('change', show);
    contrast.addEventListener('change', show);
    return () => {
      light.removeEventListener('change', show);
      contrast.removeEventListener('change', show);
    };
  }

  #show(): void {
    const system = matchMedia('(prefers-contrast: more)').matches ? 'contrast' : matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
    document.documentElement.dataset['theme'] = this.#theme === 'system' ? system : this.#theme;
  }

  #keep(): void {
    try {
      localStorage.setItem(KEY, JSON.stringify({ theme: this.#theme, utc: this.#utc }));
    } catch {
      // Without storage the choice lasts until the window closes.
    }
  }
}
