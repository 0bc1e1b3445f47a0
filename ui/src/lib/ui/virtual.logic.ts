//! Which rows of a long list stand in the document.

export interface Span {
  first: number;
  /** One past the last. */
  end: number;
}

const OVERSCAN = 8;
/** Never more rows than this in the document. */
const ROWS_MAX = 200;

export function rowsShown(total: number, rowHeight: number, scrollTop: number, viewHeight: number): Span {
  if (total <= 0 || rowHeight <= 0) return { first: 0, end: 0 };
  const first = Math.max(0, Math.min(total - 1, Math.floor(scrollTop / rowHeight) - OVERSCAN));
  const wanted = Math.ceil(Math.max(0, viewHeight) / rowHeight) + 2 * OVERSCAN;
  return { first, end: Math.min(total, first + Math.min(ROWS_MAX, wanted)) };
}

/** Where to scroll so that a row is seen; stays where it is if it is seen already. */
export function scrollTo(index: number, rowHeight: number, scrollTop: number, viewHeight: number, headHeight = 0): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  const bottom = top + rowHeight + headHeight;
  if (bottom > scrollTop + viewHeight) return bottom - viewHeight;
  return scrollTop;
}
