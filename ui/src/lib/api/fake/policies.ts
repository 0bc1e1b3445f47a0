//! Policies of the fake's bundles, and their differences.
import type { DiffPiece, DiffRow, DiffSide, PolicyDiffLine, PolicyDiffView, TextDiffView } from '../api';
import { digest } from './seed';

const IDS = [
  'payments.refund.approve', 'payments.export.csv', 'payments.capture', 'payments.void', 'payments.settle.batch', 'ledger.read', 'ledger.write',
  'ledger.close.period', 'customer.profile.read', 'customer.profile.update', 'customer.erase', 'report.daily', 'report.regulator', 'admin.user.create',
  'admin.user.disable', 'admin.role.grant', 'key.rotate', 'key.export', 'card.token.create', 'card.token.reveal', 'fraud.rule.edit', 'fraud.case.close',
  'data.share.partner', 'audit.log.read',
];

const policy = (id: string, extra: string[] = []): string =>
  [
    '{',
    `  "id": "${id}",`,
    `  "description": "Who may use ${id}, under which conditions, and what is written to the audit log when they do; reviewed every quarter by the owners named in the register",`,
    '  "effect": "require_confirmation",',
    '  "conditions": {',
    '    "data_classification": ["internal", "confidential"],',
    `    "amount_over": 500${extra.length > 0 ? ',' : ''}`,
    ...extra,
    '  },',
    '  "unless": { "role": "supervisor" },',
    '  "enabled": true,',
    '  "priority": 200',
    '}',
  ].join('\n');

export interface Content {
  digest: string;
  version: string;
  signed: boolean;
  order: string[];
  texts: Map<string, string>;
}

function content(version: string, beginning: string, change: (order: string[], texts: Map<string, string>) => string[] = (order) => order, signed = true): Content {
  const texts = new Map(IDS.map((id) => [id, policy(id)]));
  const order = change([...IDS], texts);
  return { digest: digest(version + beginning, beginning), version, signed, order, texts };
}

export const V42 = content('v42', '9f3a1c07b2de');
export const V41 = content('v41', '77b0c1d2e3f4', (order, texts) => {
  texts.set('payments.capture', policy('payments.capture').replace('require_confirmation', 'allow'));
  texts.set('card.token.reveal', policy('card.token.reveal').replace('"role": "supervisor"', '"role": "clerk"'));
  texts.set('legacy.batch.import', policy('legacy.batch.import'));
  return [...order.filter((id) => id !== 'data.share.partner'), 'legacy.batch.import'];
});
export const V43 = content('v43-rc1', 'c2e8f0a1b2c3', (order, texts) => {
  texts.set('fraud.case.reopen', 'package fraud.case\n\nimport rego.v1\n\n# Reopening needs a second person.\ndefault allow := false\n\nallow if {\n    input.role == "lead"\n    count(input.approvals) >= 2\n}');
  return [...order, 'fraud.case.reopen'];
});
export const TAMPERED = content('v42', '41d0aa93e6f7', (order, texts) => {
  texts.set('payments.refund.approve', policy('payments.refund.approve', ['    "time_restrictions": { "from": "00:00", "to": "23:59" }']).replace('500', '5000').replace('"priority": 200', '"priority": 900'));
  return [order[0], order[2], order[3], order[1], ...order.slice(4)] as string[];
}, false);
export const DIVERGED = content('v42', 'e81b7c55d09a', (order, texts) => {
  texts.set('key.export', policy('key.export').replace('"enabled": true', '"enabled": false'));
  return order;
});

export const CONTENTS: readonly Content[] = [V42, V41, V43, TAMPERED, DIVERGED];
export const contentOf = (found: string | null): Content | undefined => CONTENTS.find((entry) => entry.digest === found);

export function policyDiff(group: string, from: string | null, to: string | null): PolicyDiffView {
  const [left, right] = [contentOf(from), contentOf(to)];
  const empty = { group, from_content: from, to_content: to, added: 0, removed: 0, changed: 0, moved: 0, policies: [] };
  if (!left || !right) {
    return { ...empty, unavailable: 'The policies of this group were never read: its nodes do not list them, and no signed bundle with this content is at hand.' };
  }
  const kept = left.order.filter((id) => right.order.includes(id));
  const keptRight = right.order.filter((id) => left.order.includes(id));
  const lines = [...new Set([...right.order, ...left.order])].map((id): PolicyDiffLine => {
    const [fromAt, toAt] = [left.order.indexOf(id), right.order.indexOf(id)];
    const moved = fromAt >= 0 && toAt >= 0 && Math.abs(kept.indexOf(id) - keptRight.indexOf(id)) > 1;
    const change = fromAt < 0 ? 'added' : toAt < 0 ? 'removed' : left.texts.get(id) !== right.texts.get(id) ? 'changed' : moved ? 'moved' : 'equal';
    return { id, change, moved, from_position: fromAt < 0 ? null : fromAt + 1, to_position: toAt < 0 ? null : toAt + 1 };
  });
  const counted = (change: string): number => lines.filter((line) => line.change === change).length;
  return {
    ...empty,
    added: counted('added'),
    removed: counted('removed'),
    changed: counted('changed'),
    moved: counted('moved'),
    policies: [...lines.filter((line) => line.change !== 'equal'), ...lines.filter((line) => line.change === 'equal')],
    unavailable: null,
  };
}

/** Emphasises what lies between the common beginning and the common end of two lines. */
function pieces(own: string, other: string): DiffPiece[] {
  let start = 0;
  while (start < own.length && own[start] === other[start]) start += 1;
  let end = 0;
  while (end < own.length - start && end < other.length - start && own[own.length - 1 - end] === other[other.length - 1 - end]) end += 1;
  return [
    { text: own.slice(0, start), emphasised: false },
    { text: own.slice(start, own.length - end), emphasised: true },
    { text: own.slice(own.length - end), emphasised: false },
  ].filter((piece) => piece.text !== '');
}

const plain = (number: number, text: string): DiffSide => ({ number, pieces: text === '' ? [] : [{ text, emphasised: false }] });

export function textDiff(from: string | null, to: string | null, id: string): TextDiffView {
  const left = contentOf(from)?.texts.get(id)?.split('\n') ?? [];
  const right = contentOf(to)?.texts.get(id)?.split('\n') ?? [];
  const rows: DiffRow[] = [];
  let [l, r] = [0, 0];
  while (l < left.length || r < right.length) {
    const [own, other] = [left[l], right[r]];
    if (own !== undefined && own === other) {
      rows.push({ kind: 'equal', left: plain(l + 1, own), right: plain(r + 1, own) });
      l += 1;
      r += 1;
    } else if (own === undefined && other !== undefined) {
      rows.push({ kind: 'added', left: null, right: plain(r + 1, other) });
      r += 1;
    } else if (own !== undefined && (other === undefined || right.indexOf(own, r) < 0)) {
      const similar = other !== undefined && left.indexOf(other, l) < 0;
      rows.push({
        kind: similar ? 'changed' : 'removed',
        left: { number: l + 1, pieces: similar ? pieces(own, other) : plain(l + 1, own).pieces },
        right: similar ? { number: r + 1, pieces: pieces(other, own) } : null,
      });
      l += 1;
      if (similar) r += 1;
    } else if (other !== undefined) {
      rows.push({ kind: 'added', left: null, right: plain(r + 1, other) });
      r += 1;
    }
  }
  return { policy: id, language: [...left, ...right].some((line) => line.startsWith('package ')) ? 'rego' : 'json', rows };
}
