//! Where each node's cell lies in the matrix, and which cell lies under a point.

export interface Layout {
  columns: number;
  rows: number;
  pitchX: number;
  pitchY: number;
  /** Free space between two cells. */
  gap: number;
  /** Cells are wide enough for names. */
  named: boolean;
  /** Height of all rows; more than the view's where it scrolls. */
  contentHeight: number;
  /** Height the matrix takes. */
  viewHeight: number;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Smallest cells that still carry a glyph, chosen only to avoid scrolling. */
const PITCH_MIN = 8;
const PITCH_SCROLLING = 10;
const PITCH_MAX = 20;
const NAMED_HEIGHT = 28;
const NAMED_WIDTH_MIN = 136;
const NAMED_WIDTH_MAX = 220;

function grid(count: number, width: number, pitchX: number, pitchY: number, gap: number, named: boolean, heightMax: number): Layout {
  const columns = Math.max(1, Math.floor((width + gap) / pitchX));
  const rows = Math.ceil(count / columns);
  const contentHeight = Math.max(0, rows * pitchY - gap);
  return { columns, rows, pitchX, pitchY, gap, named, contentHeight, viewHeight: Math.min(contentHeight, Math.max(pitchY, Math.floor(heightMax / pitchY) * pitchY) - gap) };
}

/** The largest cells with which all nodes fit; below the smallest size that still carries a glyph, the matrix scrolls. */
export function layout(count: number, width: number, heightMax: number): Layout {
  const across = Math.max(1, Math.floor(width / NAMED_WIDTH_MIN));
  if (count <= across * Math.floor(heightMax / NAMED_HEIGHT)) {
    // As many columns as fill every row about equally.
    const columns = Math.max(1, Math.ceil(count / Math.max(1, Math.ceil(count / across))));
    const pitch = Math.min(NAMED_WIDTH_MAX, Math.floor((width + 4) / columns));
    return grid(count, width, Math.max(1, pitch), NAMED_HEIGHT, 4, true, heightMax);
  }
  for (let pitch = PITCH_MAX; pitch >= PITCH_MIN; pitch -= 1) {
    const made = grid(count, width, pitch, pitch, pitch >= 14 ? 3 : pitch >= 10 ? 2 : 1, false, heightMax);
    if (made.contentHeight <= heightMax) return made;
  }
  return grid(count, width, PITCH_SCROLLING, PITCH_SCROLLING, 1, false, heightMax);
}

export function box(of: Layout, index: number): Box {
  const row = Math.floor(index / of.columns);
  return { x: (index % of.columns) * of.pitchX, y: row * of.pitchY, width: of.pitchX - of.gap, height: of.pitchY - of.gap };
}

/** Index of the cell under a point of the content; the gap belongs to the cell before it. */
export function hit(of: Layout, count: number, x: number, y: number): number | null {
  const column = Math.floor(x / of.pitchX);
  const row = Math.floor(y / of.pitchY);
  if (x < 0 || y < 0 || column >= of.columns) return null;
  const index = row * of.columns + column;
  return index < count ? index : null;
}

/** The cell an arrow key leads to. */
export function step(of: Layout, count: number, from: number, key: string): number | null {
  const by: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -of.columns, ArrowDown: of.columns };
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  const moved = by[key];
  if (moved === undefined) return null;
  const to = from + moved;
  return to >= 0 && to < count ? to : from;
}

/** Order in which cells are drawn: by name, or the worst states first. */
export function order(cells: string, ranks: ReadonlyMap<string, number>, worstFirst: boolean): Int32Array {
  const indices = Int32Array.from({ length: cells.length }, (_, index) => index);
  if (!worstFirst) return indices;
  return indices.sort((a, b) => (ranks.get(cells.charAt(a)) ?? 0) - (ranks.get(cells.charAt(b)) ?? 0) || a - b);
}
