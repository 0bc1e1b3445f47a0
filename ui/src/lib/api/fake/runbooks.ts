//! Runbooks of the fake: a library, and runs that go on as far as they can without people.
import type { Api, CheckView, DoctorView, LibraryRow, MonitorView, PersonSignatureView, RecordedView, RehearsalView, RunbookAsked, RunbookBegun, RunbookListed, RunbookOccasion, RunbookOffer, RunbookPage, RunbookRunPage, RunbookRunView, RunbookWord, StepRunView } from '../api';
import { BACKFILL, CONFLICT, type FakeStep } from './runbook-steps';
import { fail } from './runs';
import { digest } from './seed';
import type { FakeFleet } from './fleets';

/** How the newest run of a runbook stands. */
export type Runbooked = 'none' | 'confirm' | 'question' | 'halted' | 'approval' | 'running' | 'doubt' | 'left' | 'unsigned' | 'handover' | 'elsewhere' | 'ended' | 'back' | 'odd';

const ME = 'mira@ops-laptop';
const MINUTE = 60_000;
const TEXTS = import.meta.glob<string>('../../../../../assets/runbooks/*.md', { query: '?raw', import: 'default', eager: true });

const listed = (file: string, title: string, severity: string, rest: Partial<RunbookListed> = {}): RunbookListed => ({ file, origin: 'shipped', title, component: 'Policy Engine', severity, on_call_scope: 'Platform team', owner: 'Platform team', approvals: [], last_updated: '2026-01-17', doctor_check: null, alerts: [], problem: null, ...rest });

const LIBRARY: RunbookListed[] = [
  listed('alert-triage.md', 'Alerts - Triage and Stuck Alerts', 'medium', { component: 'Alert Inbox', owner: 'On-call', on_call_scope: 'On-call' }),
  listed('policy-gradual-reload.md', 'Policy Engine - Gradual Reload', 'medium'),
  listed('policy-manual-rollback.md', 'Policy Engine - Manual Rollback to Last-Known-Good', 'high', { doctor_check: 'check.policy.rollback-readiness', alerts: ['PolicyReloadServerErrors'] }),
  listed('policy-opa-crash.md', 'Policy Engine - OPA Process Crashed', 'critical', { on_call_scope: 'Platform team, On-call' }),
  listed('policy-stale-bundle.md', 'Policy Engine - Stale Bundle and Fetch Failures', 'high', { doctor_check: 'check.policy.digest-age', alerts: ['PolicyDigestStale'] }),
  listed('policy-storage-unavailable.md', 'Policy Engine - Policy Storage Unavailable', 'critical'),
  listed('policy-version-conflicts.md', 'Policy Engine - Policy Version Conflicts', 'medium', { doctor_check: 'check.policy.version-consistency', alerts: ['PolicyVersionMismatch'] }),
  listed('supersedes-backfill.md', 'Supersedes Backfill Rollout', 'high', { component: 'Supersedes', owner: 'Release engineering', on_call_scope: 'Release engineering', approvals: ['Database', 'Platform team'] }),
  listed('drain-one-region.md', 'Drain one region before maintenance', 'low', { origin: 'own', component: 'Gateways', owner: 'Edge team', on_call_scope: 'Edge team', last_updated: '2026-11-02' }),
  listed('rotate-signing-key.md', 'Rotate the signing key of bundles', 'high', { origin: 'own', owner: 'Platform security', on_call_scope: 'Platform security', last_updated: '2026-10-12' }),
  { ...listed('half-written.md', '', ''), origin: 'own', owner: '', on_call_scope: '', component: '', last_updated: '', problem: '4:1: unknown field `colour`, expected one of `title`, `component`, `severity`' },
];

const OWN = '# Drain one region\n\nTake traffic away before anybody pulls a cable.\n\n<script>alert(1)</script>\n\n```step\nid: drained\ntitle: Traffic is gone\ndo: {attest: {what: the load balancer shows no connection}}\n```\n';
const bodyOf = (file: string): string => {
  const text = Object.entries(TEXTS).find(([path]) => path.endsWith(`/${file}`))?.[1];
  return text === undefined ? OWN : text.replace(/^---\n[\s\S]*?\n---\n/, '');
};

const standingOf = (file: string): LibraryRow['standing'] => (file === 'rotate-signing-key.md' ? { standing: 'signed', by: 'sam' } : file === 'drain-one-region.md' || file === 'half-written.md' ? { standing: 'unknown' } : { standing: 'shipped' });
const stepsOf = (file: string): readonly FakeStep[] => (file === 'supersedes-backfill.md' ? BACKFILL : CONFLICT);

interface Kept {
  view: RunbookRunView;
  steps: readonly FakeStep[];
  carried: RunbookRunPage['carried'];
  barred: string | null;
  evidence: RunbookRunPage['evidence'];
}

const signedBy = (by: string, what: string): PersonSignatureView => ({ event: 3, what, verified: true, sentence: `signed by ${by} (${digest(by).slice(0, 12)})`, by, key: digest(by) });

export class FakeRunbooks {
  #runs: Kept[] = [];
  #rehearsals = new Map<string, RehearsalView>();
  #made = 0;

  constructor(
    private readonly now: () => number,
    private readonly changed: (run: string) => void,
    how: Runbooked,
    fleet: string,
  ) {
    if (how !== 'none') this.#seed(how, fleet);
  }

  #seed(how: Runbooked, fleet: string): void {
    const backfill = ['approval', 'running', 'doubt', 'back', 'unsigned'].includes(how);
    const kept = this.#add(fleet, backfill ? 'supersedes-backfill.md' : 'policy-version-conflicts.md', 18 * MINUTE);
    const upTo: Partial<Record<Runbooked, string>> = { confirm: 'pin', question: 'cause', left: 'cause', handover: 'escalate', elsewhere: 'sync', approval: 'consent', unsigned: 'consent', running: 'backfill', doubt: 'backfill', back: 'backfill', halted: 'same_version' };
    this.#go(kept, upTo[how], true);
    const step = (id: string): StepRunView => kept.view.steps.find((one) => one.id === id) ?? fail('other', `no step ${id}`, '');
    if (how === 'left' || how === 'unsigned') kept.carried = 'nobody';
    if (how === 'unsigned') kept.barred = 'nobody signed the start of this run, so nobody can tell whether one person runs and approves it';
    if (how === 'elsewhere') kept.carried = 'elsewhere';
    if (how === 'halted') this.#stop(kept, step('same_version'), 'failed', 'two versions: v42 on 1,180 nodes, v41 on 20');
    if (how === 'doubt') this.#stop(kept, step('backfill'), 'in_doubt', 'the program ended before it did');
    if (how === 'running' || how === 'back') {
      Object.assign(step('backfill'), { state: 'running', started_at_ms: this.now() - 4 * MINUTE, attempt: 1 });
      kept.view.frozen_until_ms = this.now() + 2 * 60 * MINUTE;
      this.#settle(kept);
    }
    if (how === 'back') {
      Object.assign(step('backfill'), { state: 'failed', detail: 'stopped: Replication lag: 84 is above 60', ended_at_ms: this.now() - MINUTE });
      Object.assign(step('restore'), { state: 'running', started_at_ms: this.now() - 30_000, attempt: 1 });
      Object.assign(kept.view, { state: 'rolling_back', reason: 'backfill failed: Replication lag: 84 is above 60', can_roll_back: false, waiting: [] });
    }
    if (how === 'odd') kept.view.title = '<img src=x onerror=alert(1)> \u202Etxt';
  }

  #stop(kept: Kept, step: StepRunView, state: string, detail: string): void {
    Object.assign(step, { state, detail, attempt: 1, started_at_ms: this.now() - 2 * MINUTE, ended_at_ms: this.now() - MINUTE });
    kept.view.reason = `${step.id}: ${detail}`;
    this.#settle(kept);
  }

  #add(fleet: string, file: string, ago: number): Kept {
    const book = LIBRARY.find((one) => one.file === file) ?? fail('not_found', `there is no runbook ${file}`, 'list them: plumb runbook list');
    const steps = stepsOf(file);
    this.#made += 1;
    const at = this.now() - ago;
    const view: RunbookRunView = {
      id: `019b2f10-7c1e-7a60-9d1c-${String(this.#made).padStart(12, '0')}`,
      runbook: file,
      title: book.title,
      fleet,
      operator: ME,
      signed: false,
      signature: null,
      trusted: standingOf(file).standing === 'shipped' ? 'it came with the program' : `accepted by ${ME}`,
      started_at_ms: at,
      ended_at_ms: null,
      state: 'running',
      reason: null,
      bypassed: [],
      frozen_until_ms: null,
      can_roll_back: false,
      steps: steps.map(({ id, title, kind, phase = null, within = null, arm = null, wayBack = false, mutates = false, maySkip = false }) => ({ id, title, kind, phase, within, arm, way_back: wayBack, mutates, may_skip: maySkip, state: 'waiting', attempt: 0, asks: null, detail: '', by: null, signatures: [], started_at_ms: null, ended_at_ms: null })),
      waiting: [],
      artifacts: `/home/ops/.local/share/plumbline/artifacts/${file.replace('.md', '')}/20261114T092218Z`,
      dashboard: file === 'supersedes-backfill.md' ? 'https://grafana.example/d/plumb-019b2f10' : null,
      plan_hash: digest(file),
      journal_events: 4,
    };
    const kept: Kept = { view, steps, carried: 'here', barred: null, evidence: [] };
    this.#runs.unshift(kept);
    return kept;
  }

  /** Goes on until somebody is needed, or the end; what went before `upTo` was said already where it is `past`. */
  #go(kept: Kept, upTo?: string, past = false): void {
    const { view } = kept;
    for (const [at, step] of kept.steps.entries()) {
      const run = view.steps[at];
      if (!run || run.state !== 'waiting' || run.way_back || !this.#taken(kept, step)) continue;
      const stands = step.id === upTo;
      const waits = step.wait !== undefined && (stands || !past);
      Object.assign(run, { state: waits ? 'running' : 'succeeded', attempt: 1, asks: step.asks ?? null, started_at_ms: this.now() - 5_000, ended_at_ms: waits ? null : this.now() - 2_000, detail: step.detail ?? (step.kind === 'question' ? 'something else' : ''), by: past && step.wait ? ME : null });
      if (step.kind === 'branch') run.detail = this.#arm(kept);
      if (step.kind === 'capture') kept.evidence.push({ name: step.detail ?? `${step.id}.json`, sha256: digest(`${view.id} ${step.id}`), bytes: 2_048 + at * 731 });
      if (step.kind === 'freeze') view.frozen_until_ms = this.now() + 3 * 60 * MINUTE;
      if (step.kind === 'unfreeze') view.frozen_until_ms = null;
      view.journal_events += 2;
      if (stands || waits) break;
    }
    this.#settle(kept);
  }

  #arm(kept: Kept): string {
    const answer = kept.view.steps.find((step) => step.id === 'cause')?.detail;
    const arms: Record<string, string> = { 'distribution failed': 'Bundle distribution failed', 'node out of sync': 'Node out of sync', 'concurrent deployments': 'Concurrent deployments' };
    return arms[answer ?? ''] ?? 'Something else';
  }

  #taken(kept: Kept, step: FakeStep): boolean {
    if (step.within === undefined) return true;
    const parent = kept.view.steps.find((one) => one.id === step.within);
    return parent?.state === 'succeeded' && (step.arm === undefined || parent.detail === step.arm);
  }

  /** What it waits for, and how it stands, of how its steps stand. */
  #settle(kept: Kept): void {
    const { view } = kept;
    const stuck = view.steps.find((step) => step.state === 'failed' || step.state === 'in_doubt');
    const paused = view.waiting.find((waiting) => waiting.what === 'pause');
    view.waiting = paused ? [paused] : [];
    view.can_roll_back = view.ended_at_ms === null && view.steps.some((step) => step.mutates && step.state !== 'waiting');
    const blank = { groups: [], choices: [], wanted: null, phrase: null, plan: null, until_ms: null };
    if (stuck) {
      const step = kept.steps.find((one) => one.id === stuck.id);
      const may: [boolean, string][] = stuck.state === 'failed' ? [[step?.mutates !== true, 'again'], [step?.maySkip === true, 'skip']] : [[true, 'settle']];
      view.waiting.push({ ...blank, step: stuck.id, title: stuck.title, what: stuck.state === 'failed' ? 'decision' : 'settlement', text: stuck.detail, choices: [...may, [view.can_roll_back, 'roll_back'] as const, [true, 'abort'] as const].filter(([able]) => able).map(([, word]) => word) });
      view.state = 'halted';
      return;
    }
    for (const [at, step] of kept.steps.entries()) {
      const run = view.steps[at];
      if (run?.state !== 'running' || step.wait === undefined) continue;
      const wait = step.wait(view.fleet, this.now());
      if (wait) view.waiting.push({ ...blank, step: step.id, title: step.title, text: '', ...wait });
    }
    const open = kept.steps.some((step, at) => {
      const run = view.steps[at];
      return run?.state === 'running' || (run?.state === 'waiting' && !run.way_back && this.#taken(kept, step));
    });
    if (!open && view.ended_at_ms === null) Object.assign(view, { ended_at_ms: this.now(), state: 'succeeded', can_roll_back: false });
    else if (view.ended_at_ms === null) view.state = paused ? 'paused' : view.waiting.some((waiting) => waiting.what !== 'time') ? 'waiting' : 'running';
  }

  library(): LibraryRow[] {
    return LIBRARY.map((runbook) => ({ runbook: { ...runbook }, standing: standingOf(runbook.file) }));
  }

  open(file: string, ruled: boolean): RunbookPage {
    const book = LIBRARY.find((one) => one.file === file) ?? fail('not_found', `there is no runbook ${file}`, 'list them: plumb runbook list');
    if (book.problem !== null) fail('invalid', `${file}:${book.problem}`, 'mend what each line names, then check it: plumb runbook check FILE');
    const conflict = file === 'policy-version-conflicts.md';
    const parameters = conflict
      ? [
          { name: 'version', kind: 'version', ask: 'Which version is every node to run?', choices: [], default: null },
          { name: 'content', kind: 'text', ask: 'Which content, if several bundles have that version?', choices: [], default: 'any' },
          { name: 'node', kind: 'node', ask: 'Which node was noticed first?', choices: [], default: null },
        ]
      : file === 'supersedes-backfill.md'
        ? [
            { name: 'expected', kind: 'integer', ask: 'How many rows are expected?', choices: [], default: null },
            { name: 'cluster', kind: 'choice', ask: 'Which cluster?', choices: ['eu', 'us'], default: 'eu' },
          ]
        : [];
    const steps = file === 'drain-one-region.md' ? [{ id: 'drained', title: 'Traffic is gone', kind: 'command', phase: null, mutates: true, may_skip: false }] : stepsOf(file).map(({ id, title, kind, phase = null, mutates = false, maySkip = false }) => ({ id, title, kind, phase, mutates, may_skip: maySkip }));
    const symptoms = conflict ? ['Policy evaluation returns unexpected results', 'Alert PolicyVersionMismatch is firing', 'Different nodes evaluate with different policy versions'] : [];
    return {
      runbook: { runbook: { ...book }, sha256: digest(file), id: file === 'supersedes-backfill.md' ? 'DEVOPS-AOC-19-101' : null, scope: file === 'policy-gradual-reload.md' ? 'A new bundle reaches production canary first, blue before green, or one node after the other.' : null, symptoms, impact: conflict ? { 'User-facing': 'inconsistent policy decisions; unpredictable gate results', 'Data integrity': 'decisions may not match expected policy behaviour', SLA: 'gate accuracy SLO violated; trust in decisions reduced' } : {}, trace: conflict ? 'SPRINT_20260117_029_DOCS_runbook_coverage RUN-003' : null, related: conflict ? ['policy-opa-crash.md', 'policy-storage-unavailable.md'] : [], references: conflict ? ['docs/modules/policy/versioning.md'] : [], parameters, steps, body: bodyOf(file) },
      standing: standingOf(file),
      hosts: file === 'drain-one-region.md' ? ['lb.example:8443'] : [],
      folder: '/home/ops/.local/share/plumbline/runbook-folder',
      rehearsal: this.#rehearsals.get(file) ?? null,
      rehearsal_outdated: false,
      rehearsed_within_h: file === 'supersedes-backfill.md' ? 24 : null,
      signed: ruled && this.#asksForApproval(file),
    };
  }

  #asksForApproval(file: string): boolean {
    return (LIBRARY.find((one) => one.file === file)?.approvals.length ?? 0) > 0;
  }

  begin(fleet: string, asked: RunbookAsked, ruled: boolean): RunbookBegun {
    const signs = ruled && this.#asksForApproval(asked.runbook);
    if (signs && asked.key === null) fail('invalid', `people have to approve what this runbook does in ${fleet}, so whoever starts it signs: no key was named`, 'sign its start: --key FILE');
    const phrase = `run ${digest(asked.runbook).slice(0, 12)}`;
    if (standingOf(asked.runbook).standing === 'unknown' && asked.accept !== phrase) return { begun: 'phrase', phrase };
    if (asked.parameters['version'] === 'v0') fail('invalid', 'no signed bundle of version v0 is known', 'give it with --set NAME=VALUE');
    const kept = this.#add(fleet, asked.runbook, 0);
    kept.view.signed = signs;
    if (signs) kept.view.signature = signedBy('mira', 'the start of the run');
    this.#go(kept);
    this.changed(kept.view.id);
    return { begun: 'started', run: kept.view.id };
  }

  rehearse(fleet: string, asked: RunbookAsked): RehearsalView {
    const steps = stepsOf(asked.runbook).filter((step) => !step.wayBack && step.kind !== 'branch');
    const bad = asked.runbook === 'policy-opa-crash.md';
    const runs: RehearsalView['runs'] = [
      { answers: {}, faults: [], came_to: 'succeeded', problem: null },
      ...steps.flatMap((step) => {
        const faults = step.wait && step.kind !== 'action' ? ['nobody answers'] : step.mutates ? ['it fails', 'the program ends in the middle'] : ['it fails'];
        return faults.map((fault, at) => ({ answers: {}, faults: [`${step.id}: ${fault}`], came_to: step.mutates ? 'rolled_back' : 'succeeded', problem: bad && step.id === 'sync' && at === 0 ? 'sync was sent twice' : null }));
      }),
    ];
    const report: RehearsalView = { runbook: asked.runbook, title: LIBRARY.find((one) => one.file === asked.runbook)?.title ?? '', fleet, seen_at_ms: this.now() - 12_000, rehearsed_at_ms: this.now(), green: !bad, never_reached: [], left_out: [], cut_off: false, runs };
    this.#rehearsals.set(asked.runbook, report);
    return report;
  }

  list(fleet: string): RunbookRunView[] {
    return this.#runs.filter((kept) => kept.view.fleet === fleet).map((kept) => structuredClone(kept.view));
  }

  #kept(id: string): Kept {
    return this.#runs.find((kept) => kept.view.id === id) ?? fail('not_found', `there is no run ${id}`, 'list them: plumb runbook list --runs');
  }

  page(id: string, ruled: boolean): RunbookRunPage {
    const kept = this.#kept(id);
    return { run: structuredClone(kept.view), carried: kept.carried, barred: kept.carried === 'nobody' ? kept.barred : null, me: ME, ruled, monitors: this.#monitors(kept), evidence: [...kept.evidence] };
  }

  #monitors(kept: Kept): MonitorView[] {
    const step = kept.view.steps.find((one) => one.id === 'backfill');
    if (!step) return [];
    const watching = step.state === 'running';
    const seen = step.state !== 'waiting';
    const figures = (of: (at: number) => number): MonitorView['figures'] => (seen ? Array.from({ length: 24 }, (_, at) => ({ at_ms: this.now() - (24 - at) * 10_000, value: Math.round(of(at) * 10) / 10 })) : []);
    const breached = step.detail.startsWith('stopped: Replication lag') ? '84 is above 60' : null;
    const one = (title: string, query: string, max: number, of: (at: number) => number, stopped: string | null = null): MonitorView => ({ step: 'backfill', title, source: 'prometheus', query, min: null, max, every_s: 10, watching, breached: stopped, problem: null, figures: figures(of) });
    return [
      one('Replication lag', 'max(pg_replication_lag_seconds)', 60, (at) => (breached === null ? 12 + 9 * Math.sin(at / 3) : 10 + (at * at) / 7), breached),
      one('Error rate', 'rate(supersedes_errors_total[5m])', 0.5, () => 0.1),
      one('CPU', 'avg(cpu_busy_percent)', 85, (at) => 42 + 11 * Math.sin(at / 5)),
    ];
  }

  say(id: string, by: string | null, groups: readonly string[], word: RunbookWord): void {
    const kept = this.#kept(id);
    const { view } = kept;
    const ends = word.word === 'abort' || word.word === 'roll_back';
    if (kept.carried === 'nobody' && ends) kept.carried = 'here';
    if (kept.carried !== 'here') fail('not_found', `this program does not carry out run ${id}`, 'pick it up first');
    const who = by ?? ME;
    const waiting = 'step' in word ? view.waiting.find((one) => one.step === word.step) : undefined;
    const step = 'step' in word ? view.steps.find((one) => one.id === word.step) : undefined;
    if ('step' in word && !waiting) fail('invalid', `${word.step} does not wait for this`, 'look at what the run waits for');
    const end = (state: string, detail: string): void => {
      if (step) Object.assign(step, { state, detail, by: who, ended_at_ms: this.now() });
      view.reason = null;
    };
    switch (word.word) {
      case 'answer':
        end('succeeded', word.answer);
        break;
      case 'attest':
        end('succeeded', word.note);
        break;
      case 'approve':
        if (who === view.operator) fail('invalid', 'whoever runs it does not approve it', 'look at what the run waits for');
        if (!groups.includes(word.group)) fail('invalid', `this takes somebody of ${word.group}`, 'look at what the run waits for');
        if (step) step.detail = [step.detail, `${word.group}: ${who}`].filter((text) => text !== '').join('; ');
        if (waiting && waiting.groups.length === 1) end('succeeded', step?.detail ?? '');
        else if (waiting) {
          waiting.groups = waiting.groups.filter((group) => group !== word.group);
          this.changed(id);
          return;
        }
        break;
      case 'confirm':
        if (waiting?.phrase && word.typed !== waiting.phrase) fail('confirmation', `the phrase "${waiting.phrase}" must be typed`, 'look at what the run waits for');
        end('succeeded', 'every node arrived');
        break;
      case 'skip':
        end('skipped', word.reason);
        break;
      case 'again':
        end('waiting', '');
        break;
      case 'settle':
        end(word.happened ? 'succeeded' : 'failed', word.note);
        break;
      case 'pause':
        view.waiting = [{ step: '', title: 'Paused', what: 'pause', text: `paused by ${who}`, choices: [], wanted: null, groups: [], phrase: null, plan: null, until_ms: null }, ...view.waiting];
        view.state = 'paused';
        this.changed(id);
        return;
      case 'resume':
        view.waiting = view.waiting.filter((one) => one.what !== 'pause');
        break;
      case 'abort':
        Object.assign(view, { state: 'aborted', ended_at_ms: this.now(), waiting: [], reason: `aborted by ${who}` });
        this.changed(id);
        return;
      case 'roll_back':
        for (const one of view.steps) if (one.way_back) Object.assign(one, { state: 'succeeded', ended_at_ms: this.now(), started_at_ms: this.now() - 900 });
        Object.assign(view, { state: 'rolled_back', ended_at_ms: this.now(), waiting: [], reason: word.reason, frozen_until_ms: null, can_roll_back: false });
        this.changed(id);
        return;
      case 'pass_freeze':
        view.bypassed.push(`${who} did not wait for the announced freeze: ${word.reason}`);
        break;
    }
    this.#go(kept);
    this.changed(id);
  }

  /** Says a word with somebody's key. */
  sign(id: string, who: string, word: RunbookWord): void {
    const step = 'step' in word ? this.#kept(id).view.steps.find((one) => one.id === word.step) : undefined;
    this.say(id, who, word.word === 'approve' ? [word.group] : [], word);
    step?.signatures.push(signedBy(who, word.word === 'approve' ? `the consent of ${word.group} at ${step.id}` : `the answer at ${step.id}`));
  }

  pickUp(id: string): void {
    const kept = this.#kept(id);
    if (kept.barred !== null) fail('invalid', kept.barred, 'end it, then start the runbook anew, with a key of the roster');
    kept.carried = 'here';
    this.changed(id);
  }

  offers(occasion: RunbookOccasion, alert: { kind: string } | undefined, fleet: FakeFleet): RunbookOffer[] {
    const known = { version: 'v42', node: occasion.about === 'drift' ? (occasion.nodes[0] ?? '') : (fleet.nodes.find((node) => node.state === 'behind' || node.state === 'diverged')?.id ?? fleet.nodes[0]?.id ?? '') };
    const conflict: RunbookOffer = { file: 'policy-version-conflicts.md', title: 'Policy Engine - Policy Version Conflicts', why: occasion.about === 'alert' ? 'it answers PolicyVersionMismatch' : 'it makes check.policy.version-consistency pass', parameters: known };
    if (occasion.about === 'alert') return alert && ['PolicyVersionMismatch', 'SilentDrift'].includes(alert.kind) ? [conflict] : [];
    return occasion.about === 'drift' || occasion.check === 'check.policy.version-consistency' ? [conflict] : [];
  }

  record(fleet: string, runs: readonly string[], title: string | null): RecordedView {
    if (runs.length > 3) fail('invalid', 'a runbook is made of 1 to 3 runs here', 'name fewer runs: plumb runs list');
    const named = title ?? 'Sync to the desired version';
    return { name: `${named.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.md`, title: named, left_out: [], text: `---\ntitle: '${named}'\ncomponent: Policy Engine\nseverity: medium\non_call_scope: '${ME}'\nowners: {run: '${ME}'}\nlast_updated: 2026-11-14\nartifacts: recorded\nparameters:\n  - {name: nodes, type: text, ask: 'For which nodes? Names with commas between them', default: 'osl-gw-1'}\n---\n# ${named}\n\n${runs.map((run) => `<!-- ${fleet} ${run} -->`).join('\n')}\n\n\`\`\`step\nid: dry_sync\ntitle: 'Dry run: Bring the nodes to the desired version'\ndo: {command: {argv: ['plumb', 'policy', 'sync', '--node', '\${nodes}', '--dry-run', '--json'], reads_only: true}}\n\`\`\`\n\n\`\`\`step\nid: sync\ntitle: 'Bring the nodes to the desired version'\ndo: {action: {verb: sync, nodes: '\${nodes}'}}\nrollback: back_sync\n\`\`\`\n` };
  }
}

const CHECKS: [string, string, CheckView['result'], string][] = [
  ['check.policy.version-consistency', 'Every node runs the same version', 'failed', 'nodes run 3 versions'],
  ['check.policy.digest-age', 'What nodes run was confirmed lately', 'warning', '1 node has not heard of its source for 41 min'],
  ['check.policy.signature', 'What nodes run is signed by a trusted key', 'failed', '1 node runs content without a valid signature'],
  ['check.policy.reload-failures', 'Reloads succeed', 'passed', 'no reload failed in the last hour'],
  ['check.policy.clock-skew', 'Clocks agree', 'passed', 'every clock is within 2 s'],
  ['check.policy.rollback-readiness', 'Every node can go back', 'not_known', '2 nodes do not tell what they ran before'],
];

function doctorOf(fleet: FakeFleet, nowMs: number): DoctorView {
  const checks = CHECKS.map(([name, title, result, summary]): CheckView => ({ name, title, severity: 'warning', result, summary, evidence: result === 'failed' ? fleet.nodes.slice(0, 4).map((node) => ({ node: node.id, detail: 'runs v41 41d0aa93e6f7' })) : [], remedy: result === 'failed' ? 'sync the nodes that differ, or pin the version that is wanted' : null }));
  return { fleet: fleet.summary.name, now_ms: nowMs, sweep: { started_at_ms: fleet.sweptAtMs - 900, finished_at_ms: fleet.sweptAtMs, answered: fleet.nodes.length, total: fleet.nodes.length, running: false }, passed: false, checks };
}

type Ask = <T>(name: string, value: (fleet: FakeFleet) => T) => Promise<T>;
type Calls = Pick<Api, 'runbooks' | 'runbook' | 'beginRunbook' | 'rehearseRunbook' | 'runbookRuns' | 'runbookRun' | 'tellRunbook' | 'signRunbook' | 'pickUpRunbook' | 'runbooksFor' | 'doctor' | 'recordRunbook'>;

/** The calls of the window about runbooks. */
export function runbookCalls(books: FakeRunbooks, ask: Ask, answer: <T>(value: () => T) => Promise<T>, alertKind: (alert: string) => string, ruled: boolean, now: () => number): Calls {
  const page = (id: string): RunbookRunPage => books.page(id, ruled);
  return {
    runbooks: (fleet) => ask(fleet, () => books.library()),
    runbook: (fleet, file) => ask(fleet, () => books.open(file, ruled)),
    beginRunbook: (fleet, asked) => ask(fleet, () => books.begin(fleet, asked, ruled)),
    rehearseRunbook: (fleet, asked) => ask(fleet, () => books.rehearse(fleet, asked)),
    runbookRuns: (fleet) => ask(fleet, () => books.list(fleet)),
    runbookRun: (id) => answer(() => page(id)),
    tellRunbook: (id, by, groups, word) => answer(() => {
      books.say(id, by, groups, word);
      return page(id);
    }),
    signRunbook: (id, word) => answer(() => {
      books.sign(id, 'sam', word);
      return page(id);
    }),
    pickUpRunbook: (id) => answer(() => {
      books.pickUp(id);
      return page(id);
    }),
    runbooksFor: (fleet, occasion) => ask(fleet, (found) => books.offers(occasion, occasion.about === 'alert' ? { kind: alertKind(occasion.alert) } : undefined, found)),
    doctor: (fleet) => ask(fleet, (found) => doctorOf(found, now())),
    recordRunbook: (fleet, runs, title) => ask(fleet, () => books.record(fleet, runs, title)),
  };
}

