//! Which lines the palette shows for what is typed, best first.

/** How well `text` answers `typed`; nothing if it does not. Higher is better. */
export function score(text: string, typed: string): number | null {
  const hay = text.toLowerCase();
  const needle = typed.toLowerCase().trim();
  if (needle === '') return 0;
  const at = hay.indexOf(needle);
  if (at === 0) return 100;
  if (at > 0) return /\W/.test(hay.charAt(at - 1)) ? 80 : 60;
  const words = needle.split(/\s+/);
  if (words.length > 1 && words.every((word) => hay.includes(word))) return 50;
  let from = 0;
  let gaps = 0;
  for (const letter of needle.replace(/\s+/g, '')) {
    const found = hay.indexOf(letter, from);
    if (found < 0) return null;
    gaps += found - from;
    from = found + 1;
  }
  return Math.max(1, 40 - gaps);
}

export function ranked<Line>(lines: readonly Line[], typed: string, text: (line: Line) => string): Line[] {
  return lines
    .map((line, index) => ({ line, index, points: score(text(line), typed) }))
    .filter((entry): entry is { line: Line; index: number; points: number } => entry.points !== null)
    .sort((a, b) => b.points - a.points || a.index - b.index)
    .map((entry) => entry.line);
}
