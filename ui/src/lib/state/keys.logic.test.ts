import { describe, expect, it } from 'vitest';
import { keyLabel, keyWord, worksWhileTyping } from './keys.logic';

const press = (key: string, rest: Partial<{ ctrlKey: boolean; metaKey: boolean; altKey: boolean }> = {}) => keyWord({ key, ctrlKey: false, metaKey: false, altKey: false, ...rest });

describe('keys', () => {
  it('names what is pressed', () => {
    expect([press('j'), press('G'), press(' '), press('?'), press('k', { ctrlKey: true }), press('k', { metaKey: true }), press(' ', { ctrlKey: true }), press('Enter', { ctrlKey: true })]).toEqual(['j', 'G', 'Space', '?', 'Ctrl+K', 'Ctrl+K', 'Ctrl+Space', 'Ctrl+Enter']);
  });

  it('leaves a field its keys', () => {
    expect(['j', 'Enter', 'Space', 'Ctrl+A', 'Ctrl+V', 'Ctrl+ArrowLeft'].filter(worksWhileTyping)).toEqual([]);
    expect(['Escape', 'Ctrl+K', 'Ctrl+Enter'].every(worksWhileTyping)).toBe(true);
  });

  it('shows keys as they are called', () => expect(['Ctrl+K', 'ArrowDown', '?', 'Ctrl+,'].map(keyLabel)).toEqual(['Ctrl K', '↓', '?', 'Ctrl ,']));
});
