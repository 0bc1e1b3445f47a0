//! What alerts, storms and incidents say, without drawing them.
import type { ActedView, AlertAct, AlertCounts, AlertLine, AlertRow, AlertsPage, AlertStatus, CooldownView, IncidentStateView, InboxSource, InboxView, TentativeOutcome } from '$lib/api/api';
import { age, count, plural, span } from '$lib/domain/words.logic';

export const PAGE = 250;

export interface Look {
  word: string;
  glyph: string;
  token: string;
}

export const STATUS_LOOKS: Record<AlertStatus, Look> = {
  new: { word: 'New', glyph: 'M8 3.4v5.4M8 12.2v.4', token: '--state-behind' },
  processing: { word: 'Processing', glyph: 'M3.9 8h.2M7.9 8h.2M11.9 8h.2', token: '--state-converging' },
  failed: { word: 'Failed', glyph: 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8', token: '--state-diverged' },
  acked: { word: 'Acked', glyph: 'M4 8.4l2.7 2.7L12 5.4', token: '--state-in-sync' },
};
export const STATUSES: readonly AlertStatus[] = ['new', 'processing', 'failed', 'acked'];
/** What waits for somebody: what the screen shows first. */
export const OPEN: readonly AlertStatus[] = ['new', 'processing', 'failed'];

export const INCIDENT_LOOKS: Record<IncidentStateView, Look> = {
  open: { word: 'open', glyph: 'M8 3.4v5.4M8 12.2v.4', token: '--state-diverged' },
  mitigating: { word: 'mitigating', glyph: 'M4 8h8M8.5 4.5L12 8l-3.5 3.5', token: '--state-behind' },
  resolved: { word: 'resolved', glyph: 'M4 8.4l2.7 2.7L12 5.4', token: '--state-in-sync' },
  closed: { word: 'closed', glyph: 'M4 8h8', token: '--state-unreachable' },
};

export const TENTATIVE_WORDS: Record<TentativeOutcome, string> = { waiting: 'tentative', won: 'won', lost: 'lost', lapsed: 'lapsed', gone: 'gone' };

/** Colour of a severity; the word stands beside it. */
export const severityToken = (severity: string): string => ({ P0: '--state-tampered', P1: '--state-diverged', P2: '--state-behind' })[severity] ?? '--state-unreachable';

/** What the address asks for. */
export interface Asked {
  statuses: readonly AlertStatus[];
  mine: boolean;
  cooling: boolean;
  text: string;
  grouped: boolean;
  newestFirst: boolean;
}

export function readAsked(param: (name: string) => string | null): Asked {
  const given = param('status');
  const statuses = given === null ? OPEN : given === 'all' ? [] : STATUSES.filter((status) => given.split(',').includes(status));
  return { statuses, mine: param('mine') === 'yes', cooling: param('cooling') === 'yes', text: param('text') ?? '', grouped: param('grouped') !== 'no', newestFirst: param('sort') === 'newest' };
}

export const pageOf = (asked: Asked, opened: readonly string[], page: number): AlertsPage => ({ statuses: [...asked.statuses], mine: asked.mine, cooling: asked.cooling, text: asked.text, grouped: asked.grouped, opened: [...opened], newest_first: asked.newestFirst, offset: page * PAGE, limit: PAGE });

/** The value of `status` in the address after a chip is pressed; nothing for what the screen shows by itself. */
export function toggleStatus(asked: Asked, status: AlertStatus): string | null {
  const now = asked.statuses.length === 0 ? [...STATUSES] : asked.statuses;
  const next = STATUSES.filter((one) => (one === status ? !now.includes(one) : now.includes(one)));
  if (next.length === 0 || next.length === STATUSES.length) return 'all';
  return next.length === OPEN.length && OPEN.every((one) => next.includes(one)) ? null : next.join(',');
}

export const keyOf = (line: AlertLine): string => (line.line === 'storm' ? `storm ${line.signature}` : line.alert);
/** The alerts that a line stands for. */
export const refsOf = (line: AlertLine): string[] => (line.line === 'storm' ? line.refs : [line.alert]);
export const countOf = (counts: AlertCounts, status: AlertStatus): number => counts[status];

/** What is left of a time: `7 min 12 s`, `96 s`; nothing when it is over. */
export function left(untilMs: number, nowMs: number): string | null {
  const seconds = Math.ceil((untilMs - nowMs) / 1000);
  if (seconds <= 0) return null;
  if (seconds < 100) return `${seconds} s`;
  if (seconds >= 3600) return span(seconds - (seconds % 60));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} min`;
}

export interface Owned {
  who: string;
  /** What is left, or what comes next. */
  rest: string;
  tone: 'calm' | 'warn' | 'bad';
}

const SOON_S = 120;

/** Who has an alert, and for how long. */
export function owned(row: AlertRow, nowMs: number): Owned | null {
  if (row.tentative) return { who: 'you', rest: 'tentative', tone: 'warn' };
  const who = row.mine && row.status === 'processing' ? 'you' : (row.owner ?? '');
  if (row.status === 'processing' && row.lock_until_ms !== null) {
    const rest = left(row.lock_until_ms, nowMs);
    if (rest === null) return { who, rest: 'lease over', tone: 'bad' };
    return { who, rest, tone: row.lock_until_ms - nowMs < SOON_S * 1000 ? 'warn' : 'calm' };
  }
  if (row.status === 'failed' && row.retry_at_ms !== null) return { who, rest: left(row.retry_at_ms, nowMs) === null ? 'retry is due' : `retry in ${left(row.retry_at_ms, nowMs) ?? ''}`, tone: 'calm' };
  if (row.status === 'acked') return { who, rest: 'settled', tone: 'calm' };
  return row.assigned_to === null ? null : { who: row.assigned_to, rest: 'assigned', tone: 'calm' };
}

/** Why an act cannot be done with an alert now; nothing where it can. */
export function hindrance(row: AlertRow, act: AlertAct['act'], nowMs: number, offline: string | null): string | undefined {
  if (row.status === 'acked' && act !== 'convert') return 'It is settled already.';
  const held = row.status === 'processing' && !row.mine && (row.lock_until_ms ?? 0) > nowMs;
  if (held) return `${row.owner ?? 'Somebody'} holds it: ask them, or wait for it.`;
  if (act === 'claim' && row.tentative) return 'Claimed here already; the hub decides when it answers.';
  if (act === 'claim' && row.mine && row.status === 'processing' && (row.lock_until_ms ?? 0) > nowMs) return 'You hold it.';
  if (act === 'fail' && !(row.status === 'processing' && row.mine)) return 'Claim it first: only what is held can fail.';
  if (act === 'convert' && row.incident !== null) return 'It is in an incident already.';
  if (offline !== null && act !== 'claim') return 'The hub does not answer: only claims can be made meanwhile.';
  return undefined;
}

export const ACT_DONE: Record<AlertAct['act'], string> = { claim: 'claimed', ack: 'acked', fail: 'marked as failed', convert: 'put into an incident', triage: 'triaged' };

/** What became of an act, in a sentence. */
export function actedWords(act: AlertAct['act'], acted: ActedView): { text: string; hint: string | undefined; bad: boolean; guide: string | undefined } {
  const tentative = acted.done.filter((one) => one.tentative).length;
  const done = tentative > 0 ? `${plural(tentative, 'alert')} claimed tentatively: the hub decides when it answers` : `${plural(acted.done.length, 'alert')} ${ACT_DONE[act]}`;
  if (acted.refused.length === 0) return { text: done, hint: acted.done.length === 1 ? acted.done[0]?.why.at(-1) : undefined, bad: false, guide: undefined };
  const guide = acted.refused.find((one) => one.guide !== null)?.guide ?? undefined;
  const reason = acted.refused[0]?.why ?? '';
  const others = acted.refused.length > 1 ? ` and ${count(acted.refused.length - 1)} more` : '';
  if (acted.done.length === 0) return { text: acted.refused.length === 1 ? `Not ${ACT_DONE[act]}` : `None of ${plural(acted.refused.length, 'alert')} ${ACT_DONE[act]}`, hint: `${reason}${others}`, bad: true, guide };
  return { text: `${done}, ${count(acted.refused.length)} not`, hint: `${reason}${others}`, bad: true, guide };
}

/** A page of the list with these rows in the place of what it showed of them. */
export function withRows(view: InboxView, rows: readonly AlertRow[]): InboxView {
  const fresh = new Map(rows.map((row) => [row.alert, row]));
  const lines = view.lines.map((line): AlertLine => {
    const row = line.line === 'alert' ? fresh.get(line.alert) : undefined;
    return row ? { line: 'alert', ...row } : line;
  });
  return { ...view, lines };
}

/** Where alerts are kept, in few words. */
export function sourceWords(source: InboxSource): { where: string; kept: string } {
  const name = { sqlite: 'SQLite', postgres: 'PostgreSQL', memory: 'memory' }[source.backend] ?? source.backend;
  const host = source.hub === null ? 'this console' : `hub ${source.hub.replace(/^https?:\/\//, '').replace(/\/$/, '')}`;
  return { where: host, kept: name === '' ? 'never answered' : `${name}, ${source.survives_restart ? 'durable' : 'lost at a restart'}` };
}

export const cooldownWords = (cooldown: CooldownView, nowMs: number): string => {
  const rest = left(cooldown.until_ms, nowMs);
  return rest === null ? 'cooldown over' : `cools down ${rest}`;
};

/** How much of a cooldown is over, from 0 to 1. */
export const cooledShare = (cooldown: CooldownView, nowMs: number): number => Math.max(0, Math.min(1, (nowMs - cooldown.triaged_at_ms) / Math.max(1, cooldown.until_ms - cooldown.triaged_at_ms)));

/** Where an incident may go from here; closing is asked for apart. */
export const nextStates = (state: IncidentStateView): IncidentStateView[] => (state === 'closed' ? [] : (['open', 'mitigating', 'resolved'] as const).filter((one) => one !== state));

export const stormWords = (counts: AlertCounts): string =>
  STATUSES.filter((status) => counts[status] > 0)
    .map((status) => `${count(counts[status])} ${STATUS_LOOKS[status].word.toLowerCase()}`)
    .join(', ');

export const seenWords = (row: { created_at_ms: number; last_seen_at_ms: number; occurrences: number }, nowMs: number): string => `seen ${row.occurrences === 1 ? 'once' : `${count(row.occurrences)} times`}, last ${age(row.last_seen_at_ms, nowMs)} ago`;
