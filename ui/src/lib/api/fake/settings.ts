//! Imports and credentials of the fake.
import type { CredentialView, ImportFormat, ImportPreview, LogLine, RawAnswer } from '../api';
import { START_MS, type FakeNode } from './fleets';

export const CREDENTIALS: CredentialView[] = [
  { reference: 'keyring payments-eu', kind: 'keyring', name: 'payments-eu', fleets: ['payments-eu'], nodes: 1_200, status: 'present' },
  { reference: 'keyring edge', kind: 'keyring', name: 'edge', fleets: ['edge-world'], nodes: 10_000, status: 'missing' },
  { reference: 'env PLUMB_TOKEN', kind: 'env', name: 'PLUMB_TOKEN', fleets: ['demo'], nodes: 12, status: 'present' },
  { reference: 'command vault read -field=token policy/admin', kind: 'command', name: 'vault', fleets: ['auditors-view'], nodes: 40, status: 'asked when it is needed' },
];

function nodesIn(format: ImportFormat, text: string): { names: string[]; problems: string[] } {
  if (format === 'prometheus_file_sd') {
    try {
      const groups = JSON.parse(text) as { targets?: string[] }[];
      return { names: groups.flatMap((group) => group.targets ?? []).map((target) => target.replace(/:\d+$/, '')), problems: [] };
    } catch {
      return { names: [], problems: ['line 1: this is not JSON as Prometheus file_sd writes it'] };
    }
  }
  if (format === 'csv') {
    const [head = '', ...lines] = text.trim().split('\n');
    if (!head.includes('url')) return { names: [], problems: ['line 1: a column named `url` is missing'] };
    return { names: lines.map((line) => line.split(',')[0] ?? ''), problems: [] };
  }
  const names = [...text.matchAll(/^\s*id\s*=\s*"([^"]+)"/gm)].map((match) => match[1] ?? '');
  return { names, problems: names.length === 0 ? ['no [[node]] with an id is in this file'] : [] };
}

export function importPreview(existing: readonly FakeNode[], format: ImportFormat, text: string, name: string): ImportPreview {
  const { names, problems } = nodesIn(format, text);
  const known = new Set(existing.map((node) => node.id));
  const given = new Set(names);
  return {
    added: names.filter((id) => !known.has(id)),
    removed: [...known].filter((id) => !given.has(id)),
    changed: [],
    unchanged: names.filter((id) => known.has(id)).length,
    problems,
    toml: `name = "${name}"\nenvironment = "lab"\n\n${names.map((id) => `[[node]]\nid = "${id}"\napi = "agent"\nurl = "https://${id}:8443"\n`).join('\n')}`,
  };
}

export function rawAnswers(node: FakeNode): RawAnswer[] {
  const at_ms = START_MS - 1_000;
  const json = (path: string, value: unknown, status = 200): RawAnswer => ({ path, status, body: JSON.stringify(value, null, 2), truncated: false, at_ms });
  return [
    json('/readyz', { ready: true, bundle_version: node.version, bundle_age_hours: 3.2, policies: 24 }),
    json('/reload/stats', { total: 10, success: 9, failed: 1, last_duration_ms: 38.1 }),
    { path: '/metrics', status: 200, body: '# HELP unison_policy_reload_total Reloads\n# TYPE unison_policy_reload_total counter\nunison_policy_reload_total{status="success"} 9\nunison_policy_reload_total{status="failure"} 1\nnote{text="<script>alert(1)</script>"} NaN', truncated: true, at_ms },
  ];
}

export function logLines(node: FakeNode): LogLine[] {
  const lines: [number, string, string][] = [
    [2, 'info', `bundle ${node.version ?? '?'} confirmed by its source`],
    [14, 'info', 'swap finished in 4 µs'],
    [15, 'info', `verified bundle ${node.version ?? '?'}, key signer-2026a`],
    [61, 'warning', 'version differs from pin: waiting for sync'],
    [340, 'error', 'Failed to load bundle from file: signature does not verify'],
    [900, 'info', 'polling every 10 to 30 s'],
  ];
  return lines.map(([seconds, level, message]) => ({ at_ms: START_MS - seconds * 1000, level, message }));
}

export function chart(title: string): string {
  const bars = Array.from({ length: 24 }, (_, index) => `<rect x="${12 + index * 14}" y="${20 + ((index * 7) % 40)}" width="10" height="${70 - ((index * 7) % 40)}" fill="#009e73"/>`).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 360 100"><title>${title}</title>${bars}</svg>`;
}
