//! The inbox of the fake: alerts, incidents, and what becomes of claims that were made offline.
import type { ActedView, AlertAct, AlertCounts, AlertLine, AlertRow, AlertStatus, AlertsPage, AlertView, Api, CooldownView, IncidentAct, IncidentRow, IncidentView, InboxSource, InboxView, RetentionView, StormView, TentativeView, TimelineView, WhyView } from '../api';
import { fail } from './runs';
import { chance, seedOf } from './seed';

/** How the inbox stands: `some` by itself. */
export type Inboxed = 'none' | 'some' | 'many' | 'hub' | 'offline' | 'memory' | 'settled' | 'denied';

const MINUTE = 60_000;
const ME = 'mira@ops-laptop';
const MANY = 15_000;
const STORM_MIN = 3;

interface Kept extends AlertRow {
  message: string;
  note: string | null;
  claims: number;
  failures: number;
  requeues: number;
}

interface Kind {
  kind: string;
  severity: string;
  title: string;
  source: string;
}

const KINDS: Kind[] = [
  { kind: 'PolicyVersionMismatch', severity: 'P2', title: 'nodes run another policy version than the desired one', source: 'sweeps' },
  { kind: 'SignatureInvalid', severity: 'P0', title: 'what nodes run has no valid signature', source: 'sweeps' },
  { kind: 'SilentDrift', severity: 'P1', title: 'nodes run other content under a version that stayed the same', source: 'sweeps' },
  { kind: 'StaleDigest', severity: 'P2', title: 'the source has not confirmed what nodes run', source: 'sweeps' },
  { kind: 'slo_breach', severity: 'P1', title: 'p95 latency above its objective', source: 'monitor@node1' },
  { kind: 'ReloadFailed', severity: 'P3', title: 'a reload failed', source: 'sweeps' },
  { kind: 'deny_spike', severity: 'P2', title: 'denials rose to 14 % in five minutes', source: 'monitor@node2' },
];

const counted = (rows: readonly Kept[], nowMs: number): AlertCounts => ({
  new: rows.filter((row) => row.status === 'new').length,
  processing: rows.filter((row) => row.status === 'processing').length,
  acked: rows.filter((row) => row.status === 'acked').length,
  failed: rows.filter((row) => row.status === 'failed').length,
  mine: rows.filter((row) => row.mine).length,
  stale: rows.filter((row) => row.lock_until_ms !== null && row.lock_until_ms <= nowMs).length,
  cooling: rows.filter((row) => row.cooldown !== null).length,
});

export class FakeAlerts {
  #alerts: Kept[] = [];
  #incidents = new Map<string, { row: IncidentRow; timeline: TimelineView[]; closed: string | null }>();
  #tentative: TentativeView[] = [];
  #made = 0;

  constructor(
    private readonly now: () => number,
    private readonly changed: () => void,
    private readonly how: Inboxed,
    fleet: string,
  ) {
    if (how !== 'none') this.#seed(fleet, how === 'many' ? MANY : 9);
    if (how === 'settled') for (const alert of this.#alerts) this.#settle(alert, 'acked', 'mended by the sync of 09:12');
    if (how === 'offline') this.#offline();
  }

  kindOf(alert: string): string {
    return this.#alerts.find((one) => one.alert === alert)?.kind ?? '';
  }

  #ref(prefix: string): string {
    this.#made += 1;
    return `${prefix}0198f2c4a1b27e0${String(this.#made).padStart(17, '0')}`;
  }

  #add(kind: Kind, service: string, minutes: number, rest: Partial<Kept> = {}): Kept {
    const at = this.now() - minutes * MINUTE;
    const alert: Kept = {
      alert: this.#ref('alrt_'),
      status: 'new',
      severity: kind.severity,
      service,
      env: 'production',
      kind: kind.kind,
      title: kind.title,
      source: kind.source,
      signature: `sig_${seedOf(service + kind.kind).toString(16)}`,
      occurrences: 1,
      created_at_ms: at,
      last_seen_at_ms: at,
      owner: null,
      lock_until_ms: null,
      retry_at_ms: null,
      last_error: null,
      incident: null,
      resolved: false,
      mine: false,
      assigned_to: null,
      tentative: false,
      cooldown: null,
      message: `desired 2026.11.3; running 2026.11.2; 3 nodes of fleet ${service}: fra-gw-1, fra-gw-2, osl-gw-1`,
      note: null,
      claims: 0,
      failures: 0,
      requeues: 0,
      ...rest,
    };
    this.#alerts.push(alert);
    return alert;
  }

  #seed(fleet: string, many: number): void {
    const now = this.now();
    const [mismatch, signature, silent, stale, slo, reload, deny] = KINDS as [Kind, Kind, Kind, Kind, Kind, Kind, Kind];
    this.#add(signature, fleet, 3, { occurrences: 6, last_seen_at_ms: now - 20_000, message: `content 41d0aa93e6f7; 1 node of fleet ${fleet}: fra-pay-2` });
    this.#add(silent, fleet, 18, { occurrences: 31, last_seen_at_ms: now - 25_000, status: 'processing', owner: ME, mine: true, claims: 1, lock_until_ms: now + 7 * MINUTE + 12_000 });
    this.#add(mismatch, fleet, 26, { occurrences: 52, last_seen_at_ms: now - 30_000, status: 'processing', owner: 'sofiia-supervisor', claims: 1, lock_until_ms: now + 96_000 });
    this.#add(stale, fleet, 41, { occurrences: 12, last_seen_at_ms: now - 9 * MINUTE, status: 'processing', owner: 'loop-3', claims: 2, requeues: 1, lock_until_ms: now - 4 * MINUTE });
    this.#add(deny, 'gateway', 33, { status: 'failed', owner: 'sofiia-supervisor', claims: 2, failures: 2, last_error: 'gateway timeout', retry_at_ms: now + 3 * MINUTE });
    this.#add(reload, fleet, 58, { status: 'acked', owner: ME, claims: 1, note: 'the disk of fra-pay-1 was full', resolved: true });
    const next = chance(seedOf(fleet));
    for (let index = 0; index < many; index += 1) {
      const kind = many > 100 ? (KINDS[Math.floor(next() * KINDS.length)] ?? slo) : slo;
      const service = many > 100 ? `service-${Math.floor(next() * 400)}` : 'gateway';
      this.#add(kind, service, 2 + next() * 200, { occurrences: 1 + Math.floor(next() * 9), title: many > 100 ? kind.title : `p95 latency of route ${index + 1} above its objective`, source: many > 100 ? kind.source : 'monitor@node1' });
    }
    this.#incident(many > 100 ? slo : deny, fleet);
  }

  #incident(kind: Kind, fleet: string): void {
    const now = this.now();
    const incident = this.#ref('inc_');
    const of = this.#alerts.filter((alert) => alert.kind === kind.kind);
    const first = of[0];
    if (!first) return;
    const cooldown: CooldownView = { triaged_at_ms: now - 6 * MINUTE, until_ms: now + 9 * MINUTE, added: 2 };
    for (const alert of this.#alerts) if (alert.signature === first.signature) Object.assign(alert, { incident, cooldown });
    const frozen = JSON.stringify({ snapshot: { fleet, answered: 11, nodes: 12, states: { behind: { count: 2, nodes: ['fra-gw-1', 'fra-gw-2'] } } }, drift_groups: [], deployments: [], doctor: [] }, null, 2);
    const line = (minutes: number, by: string, kindOf: TimelineView['kind'], what: string, why: string[] = [], froze: string | null = null): Omit<TimelineView, 'number'> => ({ at_ms: now - minutes * MINUTE, by, kind: kindOf, what, why, frozen: froze });
    const timeline = [
      line(34, 'sofiia-supervisor', 'alert', `opened by ${first.alert}`, [`no incident with signature ${first.signature} is open`]),
      line(31, 'sofiia-supervisor', 'note', 'the deny rate followed the deploy of 08:55'),
      line(6, ME, 'triage', `triage ran for ${first.alert}, with a snapshot, 0 drift groups, 0 deployments and 0 findings`, [`no triage of signature ${first.signature} is known`], frozen),
      line(5, ME, 'state', 'open became mitigating'),
      line(2, ME, 'triage', `no new triage for ${first.alert}`, [`the last triage of signature ${first.signature} was 6 min ago; the cooldown of 15 min lasts 9 min longer`]),
      line(1, 'release-bot', 'bypass', 'gate slo_watch was bypassed for gateway: the release mends what breaches the objective'),
    ].map((entry, number) => ({ number, ...entry }));
    const row: IncidentRow = { incident, state: 'mitigating', severity: 'P1', title: first.title, service: first.service, env: first.env, signature: first.signature, opened_at_ms: now - 34 * MINUTE, last_alert_at_ms: now - 2 * MINUTE, alerts: Math.max(1, of.length) };
    this.#incidents.set(incident, { row, timeline, closed: null });
  }

  #offline(): void {
    const now = this.now();
    const [first, , held] = this.#alerts;
    if (!first || !held) return;
    Object.assign(first, { tentative: true, mine: true });
    const base = { made_at_ms: now - 2 * MINUTE, until_ms: now + 8 * MINUTE };
    this.#tentative = [
      { ...base, alert: first.alert, title: first.title, outcome: 'waiting', told: 'the hub is asked as soon as it answers' },
      { ...base, alert: held.alert, title: held.title, outcome: 'lost', told: 'sofiia-supervisor had it before: ask them, or wait for it' },
    ];
  }

  #source(): InboxSource {
    const own: InboxSource = { hub: null, backend: 'sqlite', place: '/home/ops/.local/share/plumbline/record.sqlite', survives_restart: true, as_of_ms: null, offline: null, not_told: null };
    if (this.how === 'memory') return { ...own, hub: 'https://hub.example:8443/', backend: 'memory', place: 'memory of this program', survives_restart: false, as_of_ms: this.now() - 4_000 };
    if (this.how === 'hub') return { ...own, hub: 'https://hub.example:8443/', backend: 'postgres', place: 'db.example:5432/alerts', as_of_ms: this.now() - 4_000 };
    if (this.how === 'offline') return { ...own, hub: 'https://hub.example:8443/', backend: 'postgres', place: 'db.example:5432/alerts', as_of_ms: this.now() - 7 * MINUTE, offline: 'no answer from the hub at https://hub.example:8443/: connection refused' };
    return own;
  }

  #storm(alerts: readonly Kept[], opened: boolean): StormView {
    const first = alerts[0] as Kept;
    return {
      signature: first.signature,
      title: first.title,
      severity: alerts.map((alert) => alert.severity).sort()[0] ?? 'P3',
      services: [...new Set(alerts.map((alert) => alert.service))].slice(0, 3),
      alerts: alerts.length,
      occurrences: alerts.reduce((sum, alert) => sum + alert.occurrences, 0),
      counts: counted(alerts, this.now()),
      first_at_ms: Math.min(...alerts.map((alert) => alert.created_at_ms)),
      last_seen_at_ms: Math.max(...alerts.map((alert) => alert.last_seen_at_ms)),
      opened,
      incident: alerts.find((alert) => alert.incident !== null)?.incident ?? null,
      cooldown: first.cooldown,
      refs: alerts.slice(0, 500).map((alert) => alert.alert),
    };
  }

  list(page: AlertsPage): InboxView {
    const words = page.text.toLowerCase().split(/\s+/).filter((word) => word !== '');
    const found = this.#alerts
      .filter((row) => page.statuses.length === 0 || page.statuses.includes(row.status))
      .filter((row) => (!page.mine || row.mine) && (!page.cooling || row.cooldown !== null))
      .filter((row) => words.every((word) => `${row.title} ${row.service} ${row.kind} ${row.source} ${row.owner ?? ''} ${row.severity} ${row.alert}`.toLowerCase().includes(word)))
      .toSorted((a, b) => (page.newest_first ? 0 : a.severity.localeCompare(b.severity)) || b.last_seen_at_ms - a.last_seen_at_ms);
    const groups = new Map<string, Kept[]>();
    for (const row of found) groups.set(row.signature, [...(page.grouped ? (groups.get(row.signature) ?? []) : []), row]);
    const told = new Set<string>();
    const shown = (row: Kept): AlertLine => ({ line: 'alert', ...this.#row(row) });
    const lines: AlertLine[] = page.grouped
      ? found.flatMap((row): AlertLine[] => {
          const group = groups.get(row.signature) ?? [];
          if (group.length < STORM_MIN) return [shown(row)];
          if (told.has(row.signature)) return [];
          told.add(row.signature);
          const opened = page.opened.includes(row.signature);
          return [{ line: 'storm', ...this.#storm(group, opened) }, ...(opened ? group.map(shown) : [])];
        })
      : found.map(shown);
    return { source: this.#source(), me: ME, now_ms: this.now(), counts: counted(this.#alerts, this.now()), matched: found.length, total: lines.length, offset: page.offset, lines: lines.slice(page.offset, page.offset + page.limit), tentative: this.#tentative.map((one) => ({ ...one })) };
  }

  #row(kept: Kept): AlertRow {
    return { ...kept };
  }

  #get(alert: string): Kept {
    return this.#alerts.find((row) => row.alert === alert) ?? fail('not_found', `${alert} is not here: it was never taken in, it was removed by retention, or it was kept in memory before a restart`, 'look at the inbox again; a hub with ALERT_BACKEND=memory forgets');
  }

  view(alert: string): AlertView {
    const kept = this.#get(alert);
    const now = this.now();
    const over = kept.lock_until_ms !== null && kept.lock_until_ms <= now;
    const why: WhyView[] = [{ about: 'Reports', text: `${kept.alert} has the same fingerprint fp_9c1d44 and was first seen at 2026-11-30T09:04:11Z, within the dedupe window of 30 min` }];
    if (kept.owner !== null && kept.lock_until_ms !== null) why.push({ about: 'Claim', text: over ? `the claim of ${kept.owner} ended at 2026-11-30T09:41:00Z without an answer` : `it was free; ${kept.owner} holds it until 2026-11-30T09:52:00Z` });
    if (kept.retry_at_ms !== null) why.push({ about: 'Claim', text: 'it is tried again from 2026-11-30T09:48:00Z on' });
    why.push({ about: 'Triage', text: kept.cooldown === null ? `no triage of signature ${kept.signature} is known` : `the last triage of signature ${kept.signature} was at 2026-11-30T09:39:00Z; the cooldown of 15 min lasts until 2026-11-30T09:54:00Z` });
    why.push({ about: 'Route', text: 'no rule of alert_routing_policy.yml matches: defaults' });
    const guides = [
      ...(over ? [{ title: `The lease of ${kept.owner ?? ''} is over, and nobody took it again`, heading: 'Alerts stay in processing' }] : []),
      ...(kept.status === 'failed' ? [{ title: `It failed ${kept.failures} times`, heading: 'Alerts stay in failed' }] : []),
      ...(kept.cooldown === null ? [] : [{ title: 'Its signature was triaged a short time ago', heading: 'No triage runs' }]),
    ];
    return { row: this.#row(kept), message: kept.message, fingerprint: 'fp_9c1d44e07b12', labels: [{ name: 'fleet', value: kept.service }, { name: 'running', value: '2026.11.2' }], details: JSON.stringify({ count: 3, nodes: ['fra-gw-1', 'fra-gw-2', 'osl-gw-1'] }, null, 2), started_at_ms: null, resolved_at_ms: kept.resolved ? kept.last_seen_at_ms : null, note: kept.note, settled_at_ms: kept.status === 'acked' || kept.status === 'failed' ? now - 5 * MINUTE : null, claims: kept.claims, failures: kept.failures, requeues: kept.requeues, why, guides };
  }

  #settle(kept: Kept, status: AlertStatus, note: string): void {
    Object.assign(kept, { status, owner: ME, mine: false, note, lock_until_ms: null, retry_at_ms: null });
  }

  act(refs: readonly string[], act: AlertAct): ActedView {
    const acted: ActedView = { done: [], refused: [], rows: [] };
    for (const alert of refs) {
      try {
        acted.done.push({ alert, ...this.#one(this.#get(alert), act) });
      } catch (thrown) {
        acted.refused.push({ alert, why: (thrown as { message: string }).message, guide: this.how === 'denied' ? 'Claiming is denied' : null });
      }
    }
    acted.rows = acted.done.map(({ alert }) => this.#row(this.#get(alert)));
    this.changed();
    return acted;
  }

  #one(kept: Kept, act: AlertAct): { incident: string | null; tentative: boolean; why: string[] } {
    const now = this.now();
    const held = kept.status === 'processing' && kept.owner !== ME && (kept.lock_until_ms ?? 0) > now;
    if (this.how === 'denied') fail('invalid', 'the hub refused: tools.alerts.claim denied: role viewer does not have it (403)', 'ask for a token whose role may');
    if (held) fail('invalid', `${kept.alert} is held by ${kept.owner ?? ''} until 2026-11-30T09:52:00Z: ask them, or wait for it`, '');
    if (kept.status === 'acked' && act.act !== 'convert') fail('invalid', `${kept.alert} is acked: only claimed or unclaimed alerts can be settled`, '');
    if (this.how === 'offline') {
      if (act.act !== 'claim') fail('unreachable', 'the hub does not answer: only claims can be made meanwhile', 'wait until it answers');
      Object.assign(kept, { tentative: true, mine: true });
      this.#tentative.push({ alert: kept.alert, title: kept.title, made_at_ms: now, until_ms: now + 10 * MINUTE, outcome: 'waiting', told: 'the hub is asked as soon as it answers' });
      return { incident: null, tentative: true, why: ['the hub does not answer: it decides when it does'] };
    }
    switch (act.act) {
      case 'claim':
        Object.assign(kept, { status: 'processing', owner: ME, mine: true, lock_until_ms: now + 10 * MINUTE, retry_at_ms: null, claims: kept.claims + 1 });
        return { incident: kept.incident, tentative: false, why: [`it was free; ${ME} holds it for 10 min`] };
      case 'ack':
        this.#settle(kept, 'acked', act.note);
        return { incident: kept.incident, tentative: false, why: [] };
      case 'fail':
        if (kept.status !== 'processing') fail('invalid', `${kept.alert} is not claimed: claim it first`, '');
        Object.assign(kept, { status: 'failed', mine: false, last_error: act.error, lock_until_ms: null, retry_at_ms: now + (act.retry_after_s ?? 300) * 1_000, failures: kept.failures + 1 });
        return { incident: kept.incident, tentative: false, why: [] };
      case 'convert':
      case 'triage':
        kept.incident ??= this.#open(kept);
        if (act.act === 'triage') {
          this.#settle(kept, 'acked', act.note);
          kept.cooldown = { triaged_at_ms: now, until_ms: now + 15 * MINUTE, added: 0 };
        }
        return { incident: kept.incident, tentative: false, why: [`no incident with signature ${kept.signature} is open`] };
    }
  }

  #open(kept: Kept): string {
    const known = [...this.#incidents.values()].find((one) => one.row.signature === kept.signature && one.row.state !== 'closed');
    if (known) return known.row.incident;
    const incident = this.#ref('inc_');
    const now = this.now();
    this.#incidents.set(incident, { row: { incident, state: 'open', severity: kept.severity === 'P0' ? 'P1' : kept.severity, title: kept.title, service: kept.service, env: kept.env, signature: kept.signature, opened_at_ms: now, last_alert_at_ms: now, alerts: 1 }, timeline: [{ number: 0, at_ms: now, by: ME, kind: 'alert', what: `opened by ${kept.alert}`, why: [`no incident with signature ${kept.signature} is open`], frozen: null }], closed: null });
    return incident;
  }

  incidents(withClosed: boolean): IncidentRow[] {
    return [...this.#incidents.values()].map((one) => one.row).filter((row) => withClosed || row.state !== 'closed').toSorted((a, b) => a.severity.localeCompare(b.severity) || b.opened_at_ms - a.opened_at_ms);
  }

  #found(incident: string): { row: IncidentRow; timeline: TimelineView[]; closed: string | null } {
    return this.#incidents.get(incident) ?? fail('not_found', `${incident} is not here`, 'look at the list of incidents again');
  }

  incident(incident: string): IncidentView {
    const found = this.#found(incident);
    return { row: { ...found.row }, timeline: found.timeline.map((entry) => ({ ...entry })), alerts: this.#alerts.filter((alert) => alert.incident === incident).slice(0, 200).map((alert) => this.#row(alert)), closed: found.closed };
  }

  actOnIncident(incident: string, act: IncidentAct): IncidentView {
    const found = this.#found(incident);
    const add = (kind: TimelineView['kind'], what: string): void => {
      found.timeline.push({ number: found.timeline.length, at_ms: this.now(), by: ME, kind, what, why: [], frozen: null });
    };
    if (act.act === 'note') add('note', act.text);
    else {
      const to = act.act === 'move' ? act.to : 'closed';
      if (found.row.state === 'closed' || found.row.state === to) fail('invalid', `${incident} is ${found.row.state} and cannot become ${to}`, 'look at the inbox again: it moved on');
      add('state', act.act === 'move' ? `${found.row.state} became ${to}` : `closed: ${act.resolution}`);
      found.row = { ...found.row, state: to };
      if (act.act === 'close') found.closed = `closed by ${ME}: ${act.resolution}`;
    }
    this.changed();
    return this.incident(incident);
  }

  draft(incident: string): string {
    const { row, timeline } = this.#found(incident);
    return `# ${row.incident}: ${row.title}\n\n## Timeline\n\n${timeline.map((entry) => `- ${new Date(entry.at_ms).toISOString()} ${entry.by}: ${entry.what}`).join('\n')}\n`;
  }

  retention(given: number | null): RetentionView {
    const ruled = this.how === 'settled' ? 90 : null;
    const days = given ?? ruled ?? 30;
    const before = this.now() - days * 24 * 60 * MINUTE;
    const old = days === 0 ? this.#alerts.filter((alert) => alert.status === 'acked') : [];
    return { acked_days: days, policy_days: ruled, automatic: ruled !== null, before_ms: before, alerts: old.length, first_acked_at_ms: old.length > 0 ? before - MINUTE : null, last_acked_at_ms: old.length > 0 ? before - MINUTE : null, elsewhere: this.how === 'hub' || this.how === 'offline' || this.how === 'memory' ? 'alerts of a hub are removed there: plumb hub retention --data DIR --acked-days DAYS' : null };
  }

  retain(): number {
    const before = this.#alerts.length;
    this.#alerts = this.#alerts.filter((alert) => alert.status !== 'acked');
    this.changed();
    return before - this.#alerts.length;
  }
}

type Calls = Pick<Api, 'alerts' | 'alert' | 'actOnAlerts' | 'incidents' | 'incident' | 'actOnIncident' | 'incidentDraft' | 'alertRetention' | 'retainAlerts'>;

/** The calls of the inbox, each asked of a fleet. */
export function alertCalls(alerts: FakeAlerts, ask: <T>(fleet: string, value: () => T) => Promise<T>): Calls {
  return {
    alerts: (fleet, page) => ask(fleet, () => alerts.list(page)),
    alert: (fleet, alert) => ask(fleet, () => alerts.view(alert)),
    actOnAlerts: (fleet, refs, act) => ask(fleet, () => alerts.act(refs, act)),
    incidents: (fleet, withClosed) => ask(fleet, () => alerts.incidents(withClosed)),
    incident: (fleet, incident) => ask(fleet, () => alerts.incident(incident)),
    actOnIncident: (fleet, incident, act) => ask(fleet, () => alerts.actOnIncident(incident, act)),
    incidentDraft: (fleet, incident) => ask(fleet, () => alerts.draft(incident)),
    alertRetention: (fleet, days) => ask(fleet, () => alerts.retention(days)),
    retainAlerts: (fleet) => ask(fleet, () => alerts.retain()),
  };
}
