import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { box, hit, layout, order, step } from './matrix.logic';

const size = fc.record({ count: fc.integer({ min: 1, max: 20_000 }), width: fc.integer({ min: 80, max: 3_000 }), height: fc.integer({ min: 40, max: 600 }) });

describe('node matrix', () => {
  it('finds under the middle of every cell that cell', () => {
    fc.assert(
      fc.property(size, fc.nat(), ({ count, width, height }, any) => {
        const grid = layout(count, width, height);
        const index = any % count;
        const at = box(grid, index);
        expect(hit(grid, count, at.x + at.width / 2, at.y + at.height / 2)).toBe(index);
      }),
    );
  });

  it('draws no two cells over each other, and none outside', () => {
    fc.assert(
      fc.property(size, fc.nat(), ({ count, width, height }, any) => {
        const grid = layout(count, width, height);
        const [one, next] = [box(grid, any % count), box(grid, (any % count) + 1)];
        expect(one.width).toBeGreaterThan(0);
        expect(next.y > one.y || next.x >= one.x + one.width).toBe(true);
        expect(one.y + one.height).toBeLessThanOrEqual(grid.contentHeight);
        if (grid.columns > 1) expect(one.x + one.width).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('finds nothing outside', () => {
    fc.assert(
      fc.property(size, fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: -1e6, max: 1e6, noNaN: true }), ({ count, width, height }, x, y) => {
        const found = hit(layout(count, width, height), count, x, y);
        expect(found === null || (found >= 0 && found < count && x >= 0 && y >= 0)).toBe(true);
      }),
    );
  });

  it('shows 1,200 nodes at once and scrolls 10,000', () => {
    const some = layout(1_200, 1_030, 160);
    expect(some.contentHeight).toBeLessThanOrEqual(160);
    const many = layout(10_000, 1_030, 256);
    expect(many.contentHeight).toBeGreaterThan(many.viewHeight);
    expect(many.pitchX).toBeGreaterThanOrEqual(10);
  });

  it('writes names where there are few nodes', () => expect(layout(12, 1_030, 160).named).toBe(true));

  it('moves by arrows and stops at the ends', () => {
    const grid = layout(1_200, 1_030, 160);
    expect([step(grid, 1_200, 5, 'ArrowDown'), step(grid, 1_200, 0, 'ArrowUp'), step(grid, 1_200, 1_199, 'ArrowRight'), step(grid, 1_200, 3, 'End'), step(grid, 1_200, 3, 'q')]).toEqual([5 + grid.columns, 0, 1_199, 1_199, null]);
  });

  it('orders the worst first and keeps names in order', () => {
    const ranks = new Map([['t', 0], ['b', 3], ['.', 9]]);
    expect([...order('.bt.b', ranks, true)]).toEqual([2, 1, 4, 0, 3]);
    expect([...order('.bt', ranks, false)]).toEqual([0, 1, 2]);
  });
});
