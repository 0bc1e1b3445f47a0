import { describe, expect, it } from 'vitest';
import type { ChecklistItemView, ChecklistView } from '$lib/api/api';
import { evidenceMissing, readinessWords, shownItems } from './readiness.logic';

const item = (name: string, state: ChecklistItemView['state'], required = false): ChecklistItemView => ({ item: name, what: name, required, by: [], state, why: null, evidence: null, attested_by: null, expires_at: null, digest: null, added_by: null, added_at_ms: null });
const view = (items: ChecklistItemView[], ruled = true): ChecklistView => ({ fleet: 'eu', ruled, items, open: items.filter((one) => one.required && one.state !== 'shown').length });

describe('a checklist', () => {
  it('shows what is asked for or was given, open ones first', () => {
    const all = view([item('alerts_routed', 'shown'), item('health_scraped', 'missing'), item('work_planned', 'missing'), item('packs_served', 'missing', true), item('teams_trained', 'refused')]);
    expect(shownItems(all).map((one) => one.item)).toEqual(['packs_served', 'teams_trained', 'health_scraped', 'alerts_routed']);
  });
  it.each([
    [view([item('alerts_routed', 'missing')], false), 'No roster rules this fleet: nothing is required.'],
    [view([item('alerts_routed', 'missing')]), 'The roster requires nothing.'],
    [view([item('alerts_routed', 'refused', true)]), '1 required item not shown: nothing but a way back starts before.'],
    [view([item('alerts_routed', 'shown', true)]), 'Everything that the roster requires is shown.'],
  ])('says how it stands', (checklist, words) => expect(readinessWords(checklist)).toBe(words));
});

describe('evidence', () => {
  it.each(['https://oncall.example/rota', ' http://a '])('%s is a link', (text) => expect(evidenceMissing('link', text)).toBeUndefined());
  it.each(['', 'oncall.example', 'javascript:alert(1)', 'https://a b'])('%s is none', (text) => expect(evidenceMissing('link', text)).toBeDefined());
  it('is attested in words', () => {
    expect(evidenceMissing('attest', ' ')).toBeDefined();
    expect(evidenceMissing('attest', 'revision 41')).toBeUndefined();
  });
});
