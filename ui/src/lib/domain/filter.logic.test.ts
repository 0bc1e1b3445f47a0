import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuzzy, matches, parse, statesOf, toggleState, type Filterable } from './filter.logic';
import { STATES } from './states';

const node: Filterable = {
  id: 'eu-gw-017',
  api: 'agent',
  state: 'behind',
  version: 'v41',
  content: '77b0c1d2e3f4aabb',
  labels: [{ name: 'region', value: 'eu' }, { name: 'role', value: 'payment gateway' }],
};

function lets(line: string): boolean | string {
  const { filter, error } = parse(line);
  return filter ? matches(filter, node) : error;
}

describe('filter line', () => {
  it.each([
    ['', true],
    ['GW', true],
    ['gw lon', false],
    ['region:eu', true],
    ['region:us,eu', true],
    ['!region:eu', false],
    ['state:behind', true],
    ['state:drifted', true],
    ['!state:drifted', false],
    ['version:v41 content:77b0', true],
    ['version:v4', false],
    ['role:"payment gateway"', true],
    ['"payment gate"', true],
    ['-f egw17', true],
    ['-f 71', false],
    ['-l region=eu', true],
    ['-l region=eu,role!=canary', true],
    ['-l !region', false],
    ['-l team', false],
  ])('%s', (line, through) => expect(lets(line)).toBe(through));

  it.each([
    ['state:broken', 'there is no state "broken"'],
    ['region:', 'write a value after "region:"'],
    ['!', 'write something after "!"'],
    ['"open', 'a quotation mark is not closed'],
    ['-f', 'write something after "-f"'],
    ['-l', 'write labels after "-l", for example "-l region=eu"'],
  ])('%s is explained', (line, sentence) => expect(parse(line).error).toBe(sentence));

  it('never throws, and always gives a filter or a sentence', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (line) => {
        const { filter, error } = parse(line);
        expect((filter === null) !== (error === null)).toBe(true);
        if (filter) expect(typeof matches(filter, node)).toBe('boolean');
      }),
    );
  });

  it('inverts every single term exactly', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9]{0,5}(:[a-z0-9]{1,5})?$/), (term) => {
        const [plain, inverse] = [lets(term), lets(`!${term}`)];
        expect(typeof plain === 'boolean' ? inverse : true).toBe(typeof plain === 'boolean' ? !plain : true);
      }),
    );
  });

  it('finds fuzzily what it finds as text', () => {
    fc.assert(fc.property(fc.string(), fc.nat(), fc.nat(), (text, from, length) => fuzzy(text, text.slice(from % (text.length + 1)).slice(0, length))));
  });
});

describe('state chips', () => {
  const state = fc.constantFrom(...STATES.map((look) => look.state));

  it('a second press undoes the first, whatever else the line holds', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,6}(:[a-z]{1,4})?$/).filter((word) => !word.startsWith('state'))), fc.uniqueArray(state), state, (words, pressed, press) => {
        const line = pressed.reduce(toggleState, words.join(' '));
        expect(statesOf(line).toSorted()).toEqual([...pressed].toSorted());
        expect(statesOf(toggleState(toggleState(line, press), press)).toSorted()).toEqual(statesOf(line).toSorted());
      }),
    );
  });

  it('takes one state out of drifted', () => expect(toggleState('state:drifted eu', 'stale')).toBe('state:tampered,poisoned,diverged,behind,ahead eu'));
  it('keeps quoted text', () => expect(toggleState('"two words"', 'behind')).toBe('state:behind "two words"'));
  it('replaces a fuzzy line, which knows no terms', () => expect(toggleState('-f gw', 'behind')).toBe('state:behind'));
});
