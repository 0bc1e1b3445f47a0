export const SCREENS = ['fleet', 'drift', 'rollouts', 'alerts', 'runbooks', 'history', 'evidence', 'settings', 'help'] as const;
export type Screen = (typeof SCREENS)[number];

function read(): { screen: Screen; params: Record<string, string> } {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const screen = SCREENS.find((known) => known === path) ?? 'fleet';
  return { screen, params: Object.fromEntries(new URLSearchParams(query)) };
}

/** Where the window stands: screen, filter, open node, chosen tab. It lives in the address, so Back works. */
export class Route {
  #at = $state.raw(read());

  get screen(): Screen {
    return this.#at.screen;
  }

  param(name: string): string | null {
    return this.#at.params[name] ?? null;
  }

  go(screen: Screen, params: Record<string, string | null> = {}): void {
    this.#write(screen, params, false);
  }

  /** Changes parts of the address and stays on the screen. */
  set(changes: Record<string, string | null>): void {
    this.#write(this.#at.screen, { ...this.#at.params, ...changes }, true);
  }

  follow(): () => void {
    const reread = () => (this.#at = read());
    window.addEventListener('hashchange', reread);
    window.addEventListener('popstate', reread);
    return () => {
      window.removeEventListener('hashchange', reread);
      window.removeEventListener('popstate', reread);
    };
  }

  #write(screen: Screen, params: Record<string, string | null>, replace: boolean): void {
    const kept = Object.entries(params).filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== '');
    const query = new URLSearchParams(kept).toString();
    const hash = `#/${screen}${query ? `?${query}` : ''}`;
    if (replace) history.replaceState(null, '', hash);
    else history.pushState(null, '', hash);
    this.#at = { screen, params: Object.fromEntries(kept) };
  }
}
