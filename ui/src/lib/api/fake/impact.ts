//! Comparisons of the fake: what the contents of its bundles answer differently, first in part and then whole.
import type { AppError, FlipView, ImpactView, OutcomeView, ReadingView } from '../api';
import { CONTENTS, TAMPERED, V41 } from './policies';
import { digest } from './seed';

const refuse = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};
const outcome = (effect: string, rule: string | null, reason: string | null = null): OutcomeView => ({ effect, rule, reason, value: null });
const example = (capability: string, more: Record<string, unknown>): string => JSON.stringify({ capability_id: capability, context: more });

function flip(change: string, before: OutcomeView, after: OutcomeView, requests: number, weight: number, request: string): FlipView {
  return { change, before, after, requests, weight, example: request, example_at: '2026-11-21T02:00:00Z' };
}

/** What a content answers less strictly than the one of v42. */
const HARM: FlipView[] = [
  flip('wider', outcome('deny', 'card.token.reveal', 'only a supervisor may see a card'), outcome('allow', 'default'), 3, 412, example('card.token.reveal', { data_classification: 'confidential', role: 'clerk' })),
  flip('wider', outcome('confirm', 'payments.capture'), outcome('allow', 'payments.capture'), 2, 2, example('payments.capture', { amount: 501 })),
  flip('stricter', outcome('allow', 'default'), outcome('confirm', 'legacy.batch.import'), 4, 4, example('legacy.batch.import', { data_classification: 'internal' })),
  flip('reason_only', outcome('deny', 'key.export', 'keys do not leave'), outcome('deny', 'key.export', 'keys never leave this system'), 1, 1, example('key.export', {})),
];
const turned = (one: FlipView): FlipView => ({ ...one, change: one.change === 'wider' ? 'stricter' : one.change === 'stricter' ? 'wider' : one.change, before: one.after, after: one.before });

const SIDE = { format: 'first_match', coverage: { rules: 24, reached: 24, conditions: 52, both_ways: 49, not_reached: [] } };

/** The first part and the whole of a comparison. A content that no bundle holds is not at hand. */
export function impactBetween(from: string, to: string, reading: ReadingView | null): [first: ImpactView, whole: ImpactView] {
  const [before, after] = [from, to].map((content) => CONTENTS.find((one) => one.signed && one.digest === content) ?? refuse('not_found', `no bundle with the content ${content.slice(0, 12)} is at hand`, 'put the signed bundle where the fleet file looks for bundles'));
  if (!before || !after) throw new Error('two contents are looked up');
  const old = [V41, TAMPERED].map((one) => one.digest);
  const flips = old.includes(after.digest) ? HARM : old.includes(before.digest) ? HARM.map(turned) : [];
  const missed = [before, after].some((one) => one.version === 'v43-rc1') ? [{ before: null, after: 'the policy asks a function that is not known here: http.send', requests: 6, example: example('fraud.case.reopen', { approvals: 2 }) }] : [];
  const view = (asked: number, some: FlipView[], whole: boolean): ImpactView => ({
    from: { ...SIDE, label: before.version, content: before.digest, coverage: whole ? { ...SIDE.coverage, reached: 23, not_reached: ['audit.log.read'] } : null },
    to: { ...SIDE, label: after.version, content: after.digest, coverage: whole ? SIDE.coverage : null },
    entrypoint: null, requests: { generated: 172, recorded: 12, given: 0, masked: 0 }, asked, seed: 1, flips: some, not_evaluated: whole ? missed : [], digest: whole ? digest(`impact ${from} ${to} ${reading ?? 'field'}`) : null,
  });
  return [view(96, flips.slice(0, 1), false), view(184, flips, true)];
}
