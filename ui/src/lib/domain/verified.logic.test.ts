import { expect, it } from 'vitest';
import type { CheckLine, CheckWord } from '$lib/api/api';
import { checksSummary, worstFirst } from './verified.logic';

const check = (name: string, outcome: CheckWord): CheckLine => ({ name, outcome, detail: null });
const CHECKS = [check('signature', 'passed'), check('log.entry', 'not_made'), check('identity.san', 'failed'), check('log.known', 'passed')];

it('counts what failed first', () => {
  expect(checksSummary(CHECKS)).toBe('4 checks: 1 failed, 2 passed, 1 not made');
  expect(checksSummary(CHECKS.slice(0, 1))).toBe('1 check: 1 passed');
});

it('keeps the order of the node among equals', () => {
  expect(worstFirst(CHECKS).map((entry) => entry.name)).toEqual(['identity.san', 'signature', 'log.known', 'log.entry']);
});
