import { describe, expect, it } from 'vitest';
import { complete, read } from './command-line.logic';
import { ranked } from './palette.logic';

describe('palette', () => {
  const find = (typed: string) => ranked(['Go to Fleet', 'Sync fra-pay-2', 'Roll back'], typed, (line) => line);
  it('shows all for nothing typed', () => expect(find('')).toHaveLength(3));
  it('puts the best first', () => expect([find('roll')[0], find('sync')[0], find('fleet')[0]]).toEqual(['Roll back', 'Sync fra-pay-2', 'Go to Fleet']));
  it('finds letters in order', () => expect(find('rbk')).toEqual(['Roll back']));
  it('shows nothing for what is not there', () => expect(find('zzz')).toEqual([]));
});

describe('command line', () => {
  it.each([
    ['nodes state:drifted region:eu', { kind: 'go', screen: 'fleet', params: { filter: 'state:drifted region:eu' } }],
    [':drift', { kind: 'go', screen: 'drift', params: {} }],
    ['node eu-gw-1', { kind: 'go', screen: 'fleet', params: { node: 'eu-gw-1' } }],
    ['help keys', { kind: 'go', screen: 'help', params: { topic: 'keys' } }],
    ['fleet demo', { kind: 'fleet', name: 'demo' }],
    ['q', { kind: 'quit' }],
    ['rm', { kind: 'wrong', sentence: 'There is no command "rm".' }],
  ])('%s', (line, meaning) => expect(read(line)).toEqual(meaning));
  it('completes words and fleets', () => {
    expect(complete('se', []).map((entry) => entry.line)).toEqual(['settings']);
    expect(complete('fleet p', ['demo', 'payments']).map((entry) => entry.line)).toEqual(['fleet payments']);
  });
});
