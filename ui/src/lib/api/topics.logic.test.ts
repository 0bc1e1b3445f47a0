import { describe, expect, it } from 'vitest';
import { concerns } from './topics';

describe('topics', () => {
  it('drops only what is concerned', () => {
    expect(concerns([{ topic: 'fleet', fleet: 'a' }], { topic: 'fleet', fleet: 'a' })).toBe(true);
    expect(concerns([{ topic: 'fleet', fleet: 'a' }], { topic: 'fleet', fleet: 'b' })).toBe(false);
    expect(concerns([{ topic: 'run', id: 'r-1' }], { topic: 'run', id: 'r-2' })).toBe(false);
    expect(concerns([{ topic: 'fleet' }], { topic: 'fleet', fleet: 'any' })).toBe(true);
    expect(concerns([], { topic: 'shell' })).toBe(false);
  });

  it('drops a fleet when one of its nodes changed', () => expect(concerns([{ topic: 'fleet', fleet: 'a' }], { topic: 'node', fleet: 'a', node: 'n' })).toBe(true));
  it('drops a node when its fleet changed', () => expect(concerns([{ topic: 'node', fleet: 'a', node: 'n' }], { topic: 'fleet', fleet: 'a' })).toBe(true));
});
