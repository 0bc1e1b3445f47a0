import { describe, expect, it } from 'vitest';
import type { RolloutForm } from '$lib/state/rollouts.svelte';
import { milli, readForm, seconds, shares } from './shape.logic';

const form: RolloutForm = { shape: 'shares', canary: '', percent: '10, 50', label: '', order: '', first: '', convergence: '100', errors: '', p95: '', decisions: false, query: '', limit: '', attest: '', soak: '5 min', rollBack: false, tolerated: '0' };

describe('times', () => {
  it.each([['', 0], ['90', 90], ['90 s', 90], ['5 min', 300], ['5m', 300], ['1 h 30 min', 5400], ['7 d', 604_800]])('%s is read', (text, wanted) => expect(seconds(text)).toBe(wanted));
  it.each(['a while', '-5', '8 d', '1.5 h', '5 10'])('%s is not', (text) => expect(seconds(text)).toBeNull());
});

describe('shares', () => {
  it.each([['10, 50', [10, 50]], ['10 % 25%;100', [10, 25, 100]], ['', []]])('%s is read', (text, wanted) => expect(shares(text)).toEqual(wanted));
  it.each(['50, 10', '10, 10', '0', '101', 'ten'])('%s is not', (text) => expect(shares(text)).toBeNull());
});

describe('limits', () => {
  it.each([['0.05', 50], ['2', 2000], ['-1.5', -1500], ['0.001', 1]])('%s is read', (text, wanted) => expect(milli(text)).toBe(wanted));
  it.each(['', '0.0001', '1e3', '.5', 'few', '1,5'])('%s is not', (text) => expect(milli(text)).toBeNull());
});

describe('a form', () => {
  it('asks for a latency and for the value of a query', () => {
    expect(readForm({ ...form, p95: '5000', query: ' max(denied) ', limit: '0.05' }).request?.gate).toEqual({ decisions: false, prometheus: [{ query: 'max(denied)', at_most_milli: 50 }], soak_s: 300, convergence_percent: 100, p95_us: 5000 });
    expect(readForm({ ...form, query: 'max(denied)' }).wrong).toEqual({ limit: 'A number with at most three places after the point, for example 0.05.' });
    expect(readForm({ ...form, limit: '1' }).wrong).toEqual({ limit: 'Write the query that is held to this limit.' });
  });
  it('becomes the request as it stands', () => {
    expect(readForm(form).request).toEqual({ shape: { shape: 'shares', canary: null, percent: [10, 50] }, gate: { decisions: false, prometheus: [], soak_s: 300, convergence_percent: 100 }, roll_back_on_failure: false, failures_tolerated: 0 });
  });
  it('asks for no gate where nothing is looked at', () => expect(readForm({ ...form, convergence: '', soak: '' }).request?.gate).toBeNull());
  it('names every field that cannot be read', () => {
    const { wrong } = readForm({ ...form, shape: 'blue_green', convergence: '0', errors: 'few', soak: 'long', tolerated: '-1' });
    expect(Object.keys(wrong ?? {}).sort()).toEqual(['convergence', 'errors', 'first', 'label', 'soak', 'tolerated']);
  });
  it('keeps what belongs to another shape out of the request', () => {
    expect(readForm({ ...form, shape: 'one_by_one', percent: 'nonsense', canary: 'a' }).request?.shape).toEqual({ shape: 'one_by_one' });
    expect(readForm({ ...form, shape: 'by_label', label: ' role ', order: 'canary, gateway', canary: 'a' }).request?.shape).toEqual({ shape: 'by_label', label: 'role', order: ['canary', 'gateway'], canary: 'a' });
  });
});
