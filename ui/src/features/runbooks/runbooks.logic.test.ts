import { describe, expect, it } from 'vitest';
import type { LibraryRow, MonitorView, ParameterView, RunbookRunView, StepRunView, WaitingView } from '$lib/api/api';
import { faultsByStep } from './rehearsal.logic';
import { collapsed, currentStep, filtered, isNotTaken, limitWords, openRuns, parameterWrong, progress, readKnown, size, sparkline, startMissing, startValues, stepGroups, stepState, waitingWords } from './runbooks.logic';
import { missingWord, mustSign, wordOf, wordShape } from './words.logic';

const step = (id: string, rest: Partial<StepRunView> = {}): StepRunView => ({ id, title: id, kind: 'command', phase: null, within: null, arm: null, way_back: false, mutates: false, may_skip: false, state: 'waiting', attempt: 0, asks: null, detail: '', by: null, signatures: [], started_at_ms: null, ended_at_ms: null, ...rest });
const run = (steps: StepRunView[], rest: Partial<RunbookRunView> = {}): RunbookRunView => ({ id: 'r', runbook: 'a.md', title: 'A', fleet: 'demo', operator: 'mira', signed: false, signature: null, trusted: '', started_at_ms: 0, ended_at_ms: null, state: 'running', reason: null, bypassed: [], frozen_until_ms: null, can_roll_back: false, steps, waiting: [], artifacts: '', dashboard: null, plan_hash: '', journal_events: 0, ...rest });
const waiting = (rest: Partial<WaitingView>): WaitingView => ({ step: 'a', title: 'A', what: 'answer', text: '', choices: [], wanted: null, groups: [], phrase: null, plan: null, until_ms: null, ...rest });
const parameter = (rest: Partial<ParameterView>): ParameterView => ({ name: 'rows', kind: 'integer', ask: 'How many?', choices: [], default: null, ...rest });

describe('steps of a run', () => {
  const branched = run([
    step('cause', { state: 'succeeded' }),
    step('branch', { kind: 'branch', state: 'succeeded', detail: 'Polling' }),
    step('opa', { within: 'branch', arm: 'Polling', state: 'running', started_at_ms: 5 }),
    step('sync', { within: 'branch', arm: 'Out of sync' }),
    step('group', { kind: 'parallel', within: 'branch', arm: 'Out of sync' }),
    step('one', { within: 'group' }),
    step('unpin', { way_back: true }),
  ]);

  it('on an arm that was not taken do not count, nor do ways back', () => {
    expect(branched.steps.filter((one) => isNotTaken(one, branched)).map((one) => one.id)).toEqual(['sync', 'group', 'one']);
    expect(progress(branched)).toEqual({ done: 2, of: 3 });
    expect(branched.steps.map((one) => stepState(one, branched))).toEqual(['succeeded', 'succeeded', 'running', 'not_taken', 'not_taken', 'not_taken', 'waiting']);
  });

  it('stand under what leads to them, ways back last', () => {
    const groups = stepGroups(branched);
    expect(groups.map((group) => [group.title, group.steps.map((one) => one.step.id)])).toEqual([['Steps', ['cause', 'branch', 'opa', 'sync', 'group', 'one']], ['Way back', ['unpin']]]);
    expect(groups[0]?.steps.map((one) => one.depth)).toEqual([0, 0, 1, 1, 1, 2]);
    const phased = run([step('a', { phase: 'freeze' }), step('b', { phase: 'execute' }), step('c', { phase: 'rollback' })]);
    expect(stepGroups(phased).map((group) => group.title)).toEqual(['Freeze', 'Execution', 'Way back']);
  });

  it('that people are asked for come before those that go on', () => {
    expect(currentStep(branched)?.id).toBe('opa');
    expect(currentStep(run(branched.steps, { waiting: [waiting({ step: 'sync' })] }))?.id).toBe('sync');
    expect(currentStep(run([step('a', { state: 'succeeded', ended_at_ms: 1 }), step('b', { state: 'succeeded', ended_at_ms: 9 })]))?.id).toBe('b');
  });

  it('say for whom they wait', () => {
    expect(waitingWords(waiting({}))).toBe('Waits for an answer of whoever runs it');
    expect(waitingWords(waiting({ what: 'approval', groups: ['Database', 'Platform team'] }))).toBe('Waits for consent of Database and Platform team');
  });
});

describe('the library', () => {
  const row = (file: string, severity: string, owner: string): LibraryRow => ({ runbook: { file, origin: 'own', title: `About ${file}`, component: 'Gateways', severity, on_call_scope: 'Edge', owner, approvals: [], last_updated: '', doctor_check: null, alerts: ['Gone'], problem: null }, standing: { standing: 'unknown' } });
  const rows = [row('b.md', 'low', 'Edge team'), row('a.md', 'critical', 'Platform'), row('c.md', '', '')];

  it('is sorted by severity and filtered by words and parts', () => {
    expect(filtered(rows, '').map((one) => one.runbook.file)).toEqual(['a.md', 'b.md', 'c.md']);
    expect(filtered(rows, 'severity:crit').map((one) => one.runbook.file)).toEqual(['a.md']);
    expect(filtered(rows, 'EDGE team').map((one) => one.runbook.file)).toEqual(['b.md']);
    expect(filtered(rows, 'standing:unknown alert:gone')).toHaveLength(3);
    expect(filtered(rows, 'colour:red')).toEqual([]);
  });

  it('shows open runs that want somebody first', () => {
    const runs = [run([], { id: '1' }), run([], { id: '2', state: 'waiting' }), run([], { id: '3', ended_at_ms: 4, state: 'succeeded' }), run([], { id: '4', state: 'halted' })];
    expect(openRuns(runs).map((one) => one.id)).toEqual(['4', '2', '1']);
  });
});

describe('starting', () => {
  it('asks for every parameter once, typed', () => {
    expect(startValues([parameter({}), parameter({ name: 'on', kind: 'boolean' }), parameter({ name: 'where', default: 'eu' })], { rows: '7' })).toEqual({ rows: '7', on: 'false', where: 'eu' });
    expect(parameterWrong(parameter({}), 'many')).toBe('A whole number, such as 12.');
    expect(parameterWrong(parameter({ kind: 'digest' }), 'ab')).toMatch(/64 hex digits/);
    expect(parameterWrong(parameter({ kind: 'node' }), 'eu gw')).toMatch(/name of a node/);
    expect(startMissing([parameter({})], { rows: '' }, [], [])).toBe('Give rows first.');
    expect(startMissing([parameter({})], { rows: 'x' }, [], [])).toBe('Mend rows first.');
    expect(startMissing([], {}, ['lb:1'], [])).toBe('Its requests go to lb:1: allow that first.');
    expect(startMissing([parameter({})], { rows: '1' }, ['lb:1'], ['lb:1'])).toBeUndefined();
  });

  it('takes from an address what is text, and nothing else', () => {
    expect(readKnown('{"a":"b","c":1}')).toEqual({ a: 'b' });
    expect(readKnown('[')).toEqual({});
    expect(readKnown(null)).toEqual({});
  });
});

describe('words', () => {
  const form = { text: '', choice: '', group: '', by: '', isOne: false };

  it('are missing until they are written, and whoever runs it does not approve', () => {
    const approval = { want: 'give', waiting: waiting({ what: 'approval', groups: ['Database'] }) } as const;
    expect(missingWord(approval, form, false)).toMatch(/whoever approves/);
    expect(missingWord(approval, { ...form, by: 'jo' }, false)).toBe('Say that you belong to the group.');
    expect(missingWord(approval, { ...form, by: 'jo', isOne: true }, false)).toBeUndefined();
    expect(missingWord(approval, form, true)).toBeUndefined();
    const confirm = { want: 'give', waiting: waiting({ what: 'confirmation', phrase: 'demo 3', plan: 'p' }) } as const;
    expect(missingWord(confirm, { ...form, text: 'demo' }, false)).toBe('Type demo 3 first.');
    expect(wordOf(confirm, { ...form, text: 'demo 3' })).toEqual({ word: 'confirm', step: 'a', plan: 'p', typed: 'demo 3' });
    expect(missingWord({ want: 'roll_back' }, form, false)).toBe('Write the reason first.');
    expect(missingWord({ want: 'abort' }, form, false)).toBeUndefined();
  });

  it('are signed where a roster rules the fleet and somebody in particular is asked', () => {
    const answer = waiting({ groups: ['Storage'], choices: ['disk', 'network'] });
    expect([mustSign(answer, true), mustSign(answer, false), mustSign(waiting({}), true)]).toEqual([true, false, false]);
    expect(mustSign(waiting({ what: 'attestation', groups: ['Storage'] }), true)).toBe(true);
    const give = { want: 'give', waiting: answer } as const;
    expect(missingWord(give, { ...form, choice: 'disk' }, true)).toBeUndefined();
    expect(missingWord(give, { ...form, choice: 'disk' }, false)).toBe('Say that you belong to the group.');
    const attest = { want: 'give', waiting: waiting({ what: 'attestation', groups: ['Storage'] }) } as const;
    expect(missingWord(attest, form, true)).toBe('Write it down first.');
  });

  it('become what was decided', () => {
    const decide = { want: 'decide', waiting: waiting({ what: 'decision', choices: ['again', 'roll_back', 'abort'] }) } as const;
    expect(wordShape(decide, 'roll_back')).toMatchObject({ verb: 'Roll back', danger: true, field: 'Why' });
    expect(wordOf(decide, { ...form, choice: 'again' })).toEqual({ word: 'again', step: 'a' });
    expect(wordOf(decide, { ...form, choice: 'roll_back', text: ' disk ' })).toEqual({ word: 'roll_back', reason: 'disk' });
    expect(wordOf({ want: 'settle', waiting: waiting({}) }, { ...form, choice: 'no', text: 'looked' })).toEqual({ word: 'settle', step: 'a', happened: false, note: 'looked' });
    expect(wordOf({ want: 'give', waiting: waiting({ choices: ['x', 'y'] }) }, { ...form, choice: 'y' })).toEqual({ word: 'answer', step: 'a', answer: 'y' });
  });
});

describe('figures', () => {
  const monitor = (min: number | null, max: number | null): MonitorView => ({ step: 'a', title: 'Lag', source: 'prometheus', query: 'lag', min, max, every_s: 10, watching: true, breached: null, problem: null, figures: [] });

  it('are drawn within their box, and their limits said', () => {
    const line = sparkline([{ at_ms: 0, value: 0 }, { at_ms: 10, value: 30 }], [60], 100, 20);
    expect(line).toEqual({ path: 'M0.0 20.0L100.0 10.0', limits: [0] });
    expect(sparkline([], [], 100, 20).path).toBe('');
    expect(sparkline([{ at_ms: 3, value: 3 }], [], 100, 20).path).toBe('M0 20.0L100.0 20.0');
    expect([limitWords(monitor(null, 60)), limitWords(monitor(1, null)), limitWords(monitor(1, 5))]).toEqual(['at most 60', 'at least 1', '1 to 5']);
    expect([size(12), size(2_048), size(3_500_000)]).toEqual(['12 bytes', '2.0 kB', '3.5 MB']);
  });
});

describe('a rehearsal', () => {
  it('is told step by step', () => {
    const one = (faults: string[], problem: string | null = null) => ({ answers: {}, faults, came_to: 'rolled_back', problem });
    const report = { runbook: 'a.md', title: 'A', fleet: 'demo', seen_at_ms: null, rehearsed_at_ms: 0, green: false, never_reached: [], left_out: [], cut_off: false, runs: [one([]), one(['a: it fails']), one(['a: it fails', 'back: it fails'], 'stands still')] };
    const lines = faultsByStep(report, [{ id: 'a', title: 'First', kind: 'command', phase: null, mutates: true, may_skip: false }]);
    expect(lines).toEqual([
      { step: 'a', title: 'First', faults: ['it fails'], cameTo: ['rolled back'], bad: false },
      { step: 'back', title: 'back', faults: ['it fails'], cameTo: ['rolled back'], bad: true },
    ]);
  });
});

it('tells what is said of several nodes once', () => {
  expect(collapsed('pin on 5 nodes\nleft out: no pin\nleft out: no pin\nleft out: silent')).toBe('pin on 5 nodes\nleft out: no pin (2 times)\nleft out: silent');
  expect(collapsed('')).toBe('');
});
