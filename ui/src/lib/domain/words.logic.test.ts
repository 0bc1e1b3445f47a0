import { describe, expect, it } from 'vitest';
import { age, clockTime, count, duration, longAge, moment, plural, sentence, share, shortDigest, span, visible } from './words.logic';

const NOW = Date.UTC(2026, 10, 21, 2, 14, 37);
const SECOND = 1000;
const HOUR = 3_600_000;

it.each([[0, '0 s'], [30, '30 s'], [600, '10 min'], [5_400, '1 h 30 min'], [172_800, '2 d']])('a setting of %d s reads %s', (seconds, told) => expect(span(seconds)).toBe(told));

describe('ages', () => {
  it.each([
    [0, '0 s'],
    [59 * SECOND, '59 s'],
    [60 * SECOND, '1 min'],
    [59 * 60 * SECOND, '59 min'],
    [HOUR, '1 h'],
    [23 * HOUR, '23 h'],
    [24 * HOUR, '1 d'],
    [1_200 * 24 * HOUR, '1,200 d'],
  ])('%d ms ago is told as %s', (ago, told) => expect(age(NOW - ago, NOW)).toBe(told));

  it('names a clock that is ahead, but forgives two seconds', () => {
    expect(age(NOW + 2 * SECOND, NOW)).toBe('0 s');
    expect(age(NOW + HOUR, NOW)).toBe('in the future');
  });

  it('tells nothing of what is not known', () => expect(age(null, NOW)).toBe('–'));

  it('tells two units where one is coarse', () => {
    expect(longAge(NOW - 74 * HOUR, NOW)).toBe('3 d 02 h');
    expect(longAge(NOW - HOUR - 7 * 60 * SECOND, NOW)).toBe('1 h 07 min');
    expect(longAge(NOW - 5 * SECOND, NOW)).toBe('5 s');
  });
});

describe('figures', () => {
  it('shows a digest by its first twelve digits', () => expect(shortDigest('9f3a1c07b2de00ff')).toBe('9f3a1c07b2de'));
  it('groups thousands', () => expect(count(10_000)).toBe('10,000'));
  it('counts in words', () => expect([plural(1, 'node'), plural(2, 'node'), plural(0, 'policy', 'policies')]).toEqual(['1 node', '2 nodes', '0 policies']));
  it('never rounds a missing node away', () => expect([share(9_999, 10_000), share(3, 3), share(0, 0)]).toEqual(['99.9 %', '100 %', '0 %']));
  it('tells durations', () => expect([duration(0.33), duration(38), duration(1_500)]).toEqual(['0.3 ms', '38 ms', '1.5 s']));
  it('tells moments in UTC', () => expect([moment(NOW, true), clockTime(NOW, true)]).toEqual(['2026-11-21 02:14:37 UTC', '02:14:37']));
  it('survives times that are none', () => expect(moment(Number.MAX_VALUE, true)).toBe('no such time'));
});

describe('hostile text', () => {
  it('shows control characters and tricks of direction as escapes', () => expect(visible('a\u202eb\u0007c\u200bd')).toBe('a\\u202eb\\u0007c\\u200bd'));
  it('leaves line breaks, tabs and other scripts alone', () => expect(visible('é\n\t日本')).toBe('é\n\t日本'));
});

it.each([
  ['missing 1 of storage', 'Missing 1 of storage.'],
  ['eu-gw-1 answered late', 'eu-gw-1 answered late.'],
  ['/keys/sam.pem holds no key', '/keys/sam.pem holds no key.'],
  ['jo refused: not during the sale', 'jo refused: not during the sale.'],
  ['is it signed?', 'Is it signed?'],
])('%s becomes the sentence %s', (text, told) => expect(sentence(text)).toBe(told));
