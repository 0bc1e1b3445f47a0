//! Keys as words: `j`, `G`, `Ctrl+K`, `Ctrl+Space`, `ArrowDown`.

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** The word of a key press; Cmd counts as Ctrl, Shift only shows in the character it makes. */
export function keyWord(press: KeyPress): string {
  const control = press.ctrlKey || press.metaKey;
  const base = press.key === ' ' ? 'Space' : press.key;
  const named = control && base.length === 1 ? base.toUpperCase() : base;
  return `${control ? 'Ctrl+' : ''}${press.altKey ? 'Alt+' : ''}${named}`;
}

const FIELD_KEYS = new Set(['Escape']);

/** Whether a key is a command even while somebody types in a field. */
export function worksWhileTyping(word: string): boolean {
  return FIELD_KEYS.has(word) || (word.startsWith('Ctrl+') && !/^Ctrl\+([ACVXZY]|Arrow\w+|Backspace|Delete|Home|End|Space)$/.test(word));
}

const SHOWN: Record<string, string> = { ArrowDown: '↓', ArrowUp: '↑', ArrowLeft: '←', ArrowRight: '→', Escape: 'Esc', PageDown: 'PgDn', PageUp: 'PgUp' };

export const keyLabel = (word: string): string =>
  word
    .split(/\+(?=.)/)
    .map((part) => SHOWN[part] ?? part)
    .join(' ');
