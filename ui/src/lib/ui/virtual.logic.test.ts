import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowsShown, scrollTo } from './virtual.logic';

describe('virtual rows', () => {
  it('covers the view and never holds more than 200 rows', () => {
    fc.assert(
      fc.property(fc.nat(20_000), fc.integer({ min: 20, max: 60 }), fc.nat(1_000_000), fc.nat(2_000), (total, height, top, view) => {
        const { first, end } = rowsShown(total, height, top, view);
        expect(first).toBeLessThanOrEqual(Math.max(0, end));
        expect(end).toBeLessThanOrEqual(total);
        expect(end - first).toBeLessThanOrEqual(200);
        if (total > 0 && top + view <= total * height) {
          expect(first * height).toBeLessThanOrEqual(top);
          expect(end * height).toBeGreaterThanOrEqual(Math.min(top + view, total * height));
        }
      }),
    );
  });

  it('scrolls only as far as is needed', () => {
    expect(scrollTo(5, 30, 0, 300)).toBe(0);
    expect(scrollTo(10, 30, 0, 300)).toBe(30);
    expect(scrollTo(2, 30, 300, 300)).toBe(60);
  });
});
