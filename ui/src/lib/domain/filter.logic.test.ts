import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactly, fuzzy, matches, parse, statesOf, toggleState, type Filterable } from './filter.logic';
import { STATES } from './states';

const node: Filterable = {
  id: 'eu-gw-017',
  api: 'agent',
  state: 'behind',
  version: 'v41',
  content: '77b0c1d2e3f4aabb',
  last_reload: { success: false },
  verified: 'no',
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
    ['region:e', true],
    ['region:"e"', false],
    ['gw !region:eu', false],
    ['!region:us', true],
    ['!gw region:eu', false],
    ['!!gw', true],
    ['gw !', true],
    ['!', false],
    ['state:behind', true],
    ['state:IN-SYNC', false],
    ['state:drifted', true],
    ['version:v4 content:77B0', true],
    ['version:"v4"', false],
    ['reload:failed', true],
    ['verified:no', true],
    ['verified:YES', false],
    ['verified:maybe', '"verified:maybe": verified is one of yes, no, unknown'],
    ['role:"payment gateway"', true],
    ['"payment gate"', true],
    ['-f egw17', true],
    ['-f EGW', false],
    ['!-f 71', true],
    ['-l region=eu', true],
    ['-l region=eu, role=payment gateway', true],
    ['-l region=e', false],
  ])('%s', (line, through) => expect(lets(line)).toBe(through));

  it.each([
    ['state:broken', /a state is one of tampered/],
    ['region:', /names no value/],
    ['"open', /is not closed/],
    ['content:xyz', /1 to 64 hex digits/],
    ['api:grpc', /one of reload, opa, agent/],
    ['-l team', /not of the form label=value/],
  ])('%s is explained', (line, sentence) => expect(parse(line).error).toMatch(sentence));

  it('never throws, and always gives a filter or a sentence', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (line) => {
        const { filter, error } = parse(line);
        expect((filter === null) !== (error === null)).toBe(true);
        if (filter) expect(typeof matches(filter, node)).toBe('boolean');
      }),
    );
  });

  it('inverts a line exactly', () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        const [plain, inverse] = [lets(line), lets(`!${line}`)];
        expect(typeof plain === 'boolean' ? inverse : typeof inverse).toBe(typeof plain === 'boolean' ? !plain : 'string');
      }),
    );
  });

  it('quotes any value so that it is found whole', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (value) => {
        expect(lets(`region:${exactly(value)}`)).toBe(value.toLowerCase() === 'eu');
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
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,6}(:[a-z]{1,4})?$/).filter((word) => !/^(state|api|content|reload)/.test(word))), state, state, (words, before, press) => {
        const line = toggleState(words.join(' '), before);
        expect(statesOf(line)).toEqual([before]);
        expect(statesOf(toggleState(toggleState(words.join(' '), press), press))).toEqual([]);
        expect(statesOf(toggleState(line, press))).toEqual(before === press ? [] : [press]);
      }),
    );
  });

  it('narrows drifted to one state', () => expect(toggleState('state:drifted eu', 'stale')).toBe('state:stale eu'));
  it('keeps quoted text', () => expect(toggleState('"two words"', 'behind')).toBe('state:behind "two words"'));
  it('replaces a fuzzy line, which knows no terms', () => expect(toggleState('-f gw', 'behind')).toBe('state:behind'));
});
