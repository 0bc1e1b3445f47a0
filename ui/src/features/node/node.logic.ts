//! What the node drawer says, without drawing it.
import type { NodeAction, NodeView, ReloadView } from '$lib/api/api';

export type StripCell = { kind: 'reload'; reload: ReloadView } | { kind: 'gap' };

const STRIP_MAX = 32;

/** Newest attempts as cells, oldest first, with a hatched cell where attempts may be missing. */
export function strip(reloads: readonly ReloadView[]): StripCell[] {
  const cells = reloads.flatMap((reload): StripCell[] => [...(reload.gap_before ? [{ kind: 'gap' } as const] : []), { kind: 'reload', reload }]);
  return cells.slice(-STRIP_MAX);
}

const STARTED: Record<ReloadView['origin'], string> = { here: 'started here', own: 'by the node itself', elsewhere: 'not started here', not_known: '' };

/** Who started a reload, on a line of its own; nothing where nobody knows. */
export function startedBy(reload: ReloadView): string {
  const word = STARTED[reload.origin];
  return word === '' ? '' : `\n${word}${reload.trigger === null ? '' : ` (${reload.trigger})`}`;
}

/** Text of a node as a field: quoted where it must be, and never a formula of a spreadsheet. */
function field(text: string): string {
  const calm = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(calm) ? `"${calm.replaceAll('"', '""')}"` : calm;
}

const instant = (ms: number): string => (Number.isNaN(new Date(ms).getTime()) ? '' : new Date(ms).toISOString());

/** Reload attempts as CSV, oldest first, with times in UTC. */
export function reloadsCsv(reloads: readonly ReloadView[]): string {
  const lines = reloads.map((reload) => [instant(reload.at_ms), field(reload.version ?? ''), reload.success ? 'ok' : 'failed', String(reload.duration_ms), String(reload.policies), reload.gap_before ? 'yes' : 'no', reload.origin, reload.trigger ?? '', field(reload.error ?? '')].join(','));
  return ['at,version,outcome,duration_ms,policies,gap_before,started,trigger,error', ...lines, ''].join('\n');
}

/** A word as a shell reads it. */
const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The same reloads from the command line. */
export const reloadsCli = (fleet: string, node: string): string => `plumb --fleet ${word(fleet)} policy status --node ${word(node)} --json`;

const CHANGING = ['sync', 'pin', 'rollback', 'restart'];
const WORDS: Record<string, string> = {
  sync: 'Sync',
  pin: 'Pin…',
  rollback: 'Roll back…',
  restart: 'Restart…',
  logs: 'Logs',
  config: 'Configuration',
  evaluate: 'Test evaluation',
  verify: 'Verify a bundle',
};

export const actionWord = (kind: string): string => WORDS[kind] ?? kind;
export const isChanging = (kind: string): boolean => CHANGING.includes(kind);

/** Everything the node cannot be asked, with the reason, reasons that are the same told once. */
export function refusals(actions: readonly NodeAction[]): { words: string; reason: string }[] {
  const found = new Map<string, string[]>();
  for (const action of actions) {
    if (action.disabled !== null) found.set(action.disabled, [...(found.get(action.disabled) ?? []), actionWord(action.kind).replace('…', '')]);
  }
  return [...found.entries()].map(([reason, words]) => ({ words: words.join(', '), reason }));
}

/** Whether the content is what is desired; nothing where that is not bound to content or not known. */
export function contentAgrees(node: NodeView): boolean | null {
  const wanted = node.desired?.content ?? null;
  return wanted === null || node.row.content === null ? null : wanted === node.row.content;
}

export const TABS = [
  { key: 'overview', word: 'Overview' },
  { key: 'policies', word: 'Policies' },
  { key: 'logs', word: 'Logs' },
  { key: 'raw', word: 'Raw' },
] as const;
export type Tab = (typeof TABS)[number]['key'];
export const readTab = (text: string | null): Tab => TABS.find((tab) => tab.key === text)?.key ?? 'overview';
