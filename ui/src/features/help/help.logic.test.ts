import { describe, expect, it } from 'vitest';
import { search, topics } from './help.logic';

const all = topics({ 'x/keys.md': '# Keys\n\nPress `?` for help.', 'x/getting-started.md': '# Getting started\n\nKeys and more.', 'x/other.md': '# Other\n\n| a |\n|---|\n| rollback |' });

describe('help', () => {
  it('has an order, with others last', () => expect(all.map((topic) => topic.key)).toEqual(['getting-started', 'keys', 'other']));
  it('finds titles before text', () => expect(search(all, 'keys').map((found) => found.topic.key)).toEqual(['keys', 'getting-started']));
  it('shows the line without marks', () => expect(search(all, 'ROLLBACK')[0]?.line).toBe('rollback'));
  it('needs every word', () => expect(search(all, 'keys nothing')).toEqual([]));
});
