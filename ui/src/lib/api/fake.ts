//! A deterministic stand-in for the backend: for tests, pictures and work on the window alone.
//! Error paths have well-known names: fleets `unreadable-store`, `never-answers`, `broken-file`; node `missing`; path `/nope.toml`.
import type { Api, FleetSummary, SettingsView, ShellView, Topic } from './api';
import { FLEET_NAMES, START_MS, fleetNamed, forgetFleets, type FakeFleet } from './fake/fleets';
import { FakeAlerts, alertCalls } from './fake/alerts';
import { FakeEvidence, previewOf, sealedOf } from './fake/evidence';
import { historyOf } from './fake/history';
import { FakeConsent, SIGNERS, certificateOf } from './fake/consent';
import { fromAddress, type FakeOptions } from './fake/options';
import { impactBetween } from './fake/impact';
import { FakeKeys } from './fake/keys';
import { FakeProof } from './fake/proof';
import { FakeRefused } from './fake/refused';
import { textDiff } from './fake/policies';
import { FakeRosters } from './fake/roster';
import { momentsOf } from './fake/moments';
import { FakeRunbooks, runbookCalls } from './fake/runbooks';
import { FakeRuns, fail, planFor } from './fake/runs';
import { CREDENTIALS, chart, importPreview, logLines, rawAnswers } from './fake/settings';
import { bundleChoices, driftView, fleetView, momentsView, nodeNames, nodeView } from './fake/views';

export type { FakeOptions };

/** The fleet of the archive. */
const CAPTURED = 'auditors-view';
const SHOWN = ['demo', 'payments-eu', 'edge-world', 'auditors-view', 'broken-file'];

export function createFake(options: FakeOptions): Api {
  forgetFleets();
  const began = Date.now();
  const now = (): number => START_MS + (Date.now() - began);
  const heard = new Set<(topics: Topic[]) => void>();
  const announce = (topics: Topic[]): void => {
    for (const listener of heard) listener(topics);
  };
  const runs = new FakeRuns(now, announce, options.tickMs ?? 350);
  const consent = new FakeConsent(now, options.consent ?? null, options.reviews ?? false);
  const proof = new FakeProof(now, options.consent != null);
  const rosters = new FakeRosters(options.fleet, options.consent != null);
  const refused = new FakeRefused(now, options.refused ?? false, options.consent != null);
  const keys = new FakeKeys(options.consent != null, options.keyless !== true, options.keyringProblem ?? null);
  const alerts = new FakeAlerts(now, () => announce([{ topic: 'alerts' }]), options.alerts ?? 'some', options.fleet ?? 'demo');
  const runbooks = new FakeRunbooks(now, (id) => announce([{ topic: 'run', id }]), options.runbook ?? 'none', options.evidence === 'open' ? CAPTURED : (options.fleet ?? 'demo'));
  const quiet = new Set<string>();
  const changed = <T>(fleet: string, value: T): T => {
    announce([{ topic: 'fleet', fleet }]);
    return value;
  };
  const evidence = new FakeEvidence(options.evidence ?? null);
  let open = options.evidence === 'open' || options.evidence === 'stranger' ? CAPTURED : options.fleet;
  const first = open === null ? undefined : fleetNamed(open);
  if (options.runs && first) runs.seed(first, options.runs === 'past' ? null : options.runs);
  if (options.forced && first) consent.of(runs.remember(planFor(first, { kind: 'sync', nodes: { select: 'all' }, force: true })));
  let names = open === null ? [] : evidence.view() ? [CAPTURED] : [...new Set([...SHOWN, open])];
  const credentials = CREDENTIALS.map((credential) => ({ ...credential }));

  async function answer<T>(value: () => T): Promise<T> {
    await new Promise((resolve) => setTimeout(resolve, options.delayMs ?? 0));
    return value();
  }
  const summaries = (): FleetSummary[] => names.flatMap((name) => fleetNamed(name)?.summary ?? []);
  const settings = (): SettingsView => ({
    fleets: summaries(),
    credentials: credentials.map((credential) => ({ ...credential })),
    keyring_problem: options.keyringProblem ?? null,
    cache_file: '/home/ops/.cache/plumbline/cache.sqlite',
    record_file: '/home/ops/.local/share/plumbline/record.sqlite',
    kept_days: 30,
    quiet: [...quiet],
    notification_problem: null,
    notification_clicks: options.clicks ?? null,
    open: open === null || fleetNamed(open) === undefined ? null : { fleet: open, sweep_interval_s: 30, deadline_s: 5, thresholds: { digest_age_s: 600, load_age_s: 172_800 }, trusted_keys: ['signer-2026a', 'signer-2025b'] },
  });
  const shell = (): ShellView => {
    const fleet = open === null ? undefined : fleetNamed(open);
    const dead = fleet?.nodes.filter((node) => node.state === 'unreachable').length ?? 0;
    return {
      version: '0.1.0',
      fleets: summaries(),
      fleet: open,
      mode: evidence.view() ? 'evidence' : fleet?.cached ? 'cache' : 'live',
      evidence: evidence.view(),
      sweep: fleet && fleet.nodes.length > 0 ? { started_at_ms: fleet.sweptAtMs - 900, finished_at_ms: fleet.sweptAtMs, answered: fleet.nodes.length - dead, total: fleet.nodes.length, running: false } : null,
      notices: options.notices ?? [],
      demo_available: true,
      now_ms: now(),
    };
  };
  const named = (name: string): FakeFleet => fleetNamed(name) ?? fail('not_found', `there is no fleet ${name}`, 'Choose one from the list, or add it in Settings.');
  const readable = (name: string): FakeFleet => {
    if (name === 'unreadable-store') fail('other', 'the cache could not be read: database disk image is malformed', 'The file was set aside as cache.sqlite.damaged-1; restart Plumbline to sweep anew.');
    if (name === 'broken-file') fail('invalid', 'the fleet file could not be read: line 12, field `node[3].url`: not an address', 'Mend the line and press r.');
    return named(name);
  };
  const ask = <T>(name: string, value: (fleet: FakeFleet) => T): Promise<T> =>
    name === 'never-answers' ? new Promise<T>(() => undefined) : answer(() => value(readable(name)));

  return {
    shell: () => answer(shell),
    openFleet: (name) => answer(() => {
      named(name);
      open = name;
      return shell();
    }),
    nodeNames: (fleet) => ask(fleet, nodeNames),
    fleetOverview: (fleet, page) => ask(fleet, (found) => fleetView(found, page)),
    node: (fleet, id) => ask(fleet, (found) => nodeView(found, id) ?? fail('not_found', `${id} is not in ${fleet} any more`, 'It was taken out of the fleet file; press Esc.')),
    nodeRaw: (fleet, id) => ask(fleet, (found) => {
      const node = found.nodes.find((entry) => entry.id === id);
      if (!node || node.state === 'unreachable') return fail('unreachable', `no answer from ${id} within 3 s`, 'Check the VPN, or read the last answers on the Overview tab.');
      return rawAnswers(node);
    }),
    nodeLogs: (fleet, id, filter, level) => ask(fleet, (found) => {
      const node = found.nodes.find((entry) => entry.id === id);
      if (!node || node.state === 'unreachable') return fail('unreachable', `no answer from ${id} within 3 s`, 'Check the VPN and try again.');
      const rank = ['debug', 'info', 'warning', 'error'];
      return logLines(node).filter((line) => (!filter || line.message.toLowerCase().includes(filter.toLowerCase())) && (!level || rank.indexOf(line.level) >= rank.indexOf(level)));
    }),
    drift: (fleet, baseline, group) => ask(fleet, (found) => driftView(found, baseline, group)),
    moments: (fleet, part) => ask(fleet, (found) => momentsView(found, part)),
    policyTextDiff: (fleet, from, to, policy) => ask(fleet, () => textDiff(from, to, policy)),
    impact: (fleet, { from, to, reading }, soFar) => ask(fleet, () => impactBetween(from, to, reading)).then(async ([first, whole]) => {
      if (options.impactMs !== undefined) {
        soFar(first);
        await new Promise((resolve) => setTimeout(resolve, options.impactMs));
      }
      return whole;
    }),
    stopImpact: () => answer(() => undefined),
    bundleChoices: (fleet) => ask(fleet, bundleChoices),
    waitingPlans: (fleet) => answer(() => (evidence.view() ? evidence.waiting() : consent.waiting((plan) => runs.plan(plan), fleet))),
    prepareKept: (_fleet, planHash) => answer(() => runs.plan(planHash)),
    preparePlan: (fleet, request) => ask(fleet, (found) => runs.remember(planFor(found, request))),
    startRun: (fleet, planHash, typed, reason) => ask(fleet, (found) => {
      const missing = consent.of(runs.plan(planHash));
      if (missing && !missing.approvals.consented) fail('invalid', missing.approvals.standing, 'ask those who may approve, and add their approvals');
      consent.use(planHash);
      return changed(fleet, runs.start(found, planHash, typed, reason));
    }),
    startRunAtNight: (fleet, planHash, typed, reason) => ask(fleet, (found) => {
      const run = runs.start(found, planHash, typed);
      consent.use(planHash);
      consent.owe(run, reason);
      return changed(fleet, run);
    }),
    planConsent: (planHash) => answer(() => consent.of(runs.plan(planHash))),
    dryRun: (planHash) => answer(() => changed(open ?? '', proof.ask(runs.plan(planHash)))),
    newestDryRun: (planHash) => answer(() => proof.newest(planHash)),
    readiness: (fleet) => ask(fleet, () => proof.readiness(fleet)),
    linkReadiness: (fleet, item, url) => answer(() => changed(fleet, proof.link(fleet, item, url))),
    attestReadiness: (fleet, item, seen, role) => answer(() => changed(fleet, proof.attest(fleet, item, seen, role))),
    askForApproval: (fleet, planHash, key, path) => answer(() => changed(fleet, consent.ask(runs.plan(planHash), key, path))),
    saveRequest: () => answer(() => undefined),
    addApprovalFile: (fleet, path) => answer(() => changed(fleet, consent.add(runs.newest(), path))),
    signHere: (fleet, planHash, sign) => answer(() => changed(fleet, consent.sign(runs.plan(planHash), sign))),
    openRequest: (path) => answer(() => {
      if (!path.endsWith('.json')) fail('invalid', `${path} could not be read: no such file`, 'choose the file that you were sent');
      return { digest: '77b0c1d2e3f4'.padEnd(64, '0'), request: { ...consent.request('77b0c1d2e3f4'.padEnd(64, '0'), open ?? 'demo'), problems: path.includes('old') ? ['the plan was made for version 6 of the roster, here is version 7'] : [] }, roles: ['platform-security', 'storage'], signers: SIGNERS };
    }),
    answerRequestFile: (_path, digest, sign, output) => answer(() => consent.signedView(digest, open ?? 'demo', consent.answered(digest, sign), output)),
    reviewsDue: (fleet) => ask(fleet, () => consent.reviews()),
    reviewSigners: () => answer(() => [SIGNERS, ['platform-security', 'storage']]),
    giveReview: (fleet, run, _note, _role, key) => answer(() => changed(fleet, consent.review(run, key))),
    ownKeys: () => answer(() => keys.of()),
    makeKey: (asked) => answer(() => keys.make(asked)),
    takeKey: (name, file) => answer(() => keys.take(name, file)),
    refused: (fleet) => ask(fleet, (found) => refused.of(found)),
    refuse: (fleet, content, key) => ask(fleet, (found) => {
      refused.refuse(content, key);
      return changed(fleet, refused.of(found));
    }),
    clearRefused: (fleet, content, reason, key, output) => answer(() => changed(fleet, refused.clear(content, reason, key, output))),
    openClearing: (_fleet, path) => answer(() => refused.open(path)),
    signClearing: (fleet, path, _file, key, output) => answer(() => changed(fleet, refused.sign(path, key, output))),
    takeRefused: (fleet, path) => ask(fleet, (found) => {
      refused.take(path);
      return changed(fleet, refused.of(found));
    }),
    saveRefused: (fleet) => ask(fleet, (found) => refused.of(found)),
    pushRefused: (fleet) => ask(fleet, (found) => changed(fleet, refused.push(found))),
    runCertificate: (id) => answer(() => {
      const run = runs.get(id);
      return { certificate: run.ended_at_ms !== null && run.ended_at_ms + 30_000 <= now() ? certificateOf(run, runs.planOf(id)) : null, due_at_ms: run.ended_at_ms !== null && run.ended_at_ms + 30_000 > now() ? run.ended_at_ms + 30_000 : null };
    }),
    makeCertificate: (id) => answer(() => certificateOf(runs.get(id), runs.planOf(id))),
    saveCertificate: (id, path) => answer(() => ({ ...certificateOf(runs.get(id), runs.planOf(id)), file: path })),
    run: (id) => answer(() => {
      const run = runs.get(id);
      const found = fleetNamed(run.fleet);
      return { ...run, refused: found ? refused.by(run, found) : null };
    }),
    runs: (fleet) => ask(fleet, () => runs.list(fleet)),
    runMoments: (id) => answer(() => momentsOf(runs.get(id))),
    liveRun: (fleet) => answer(() => runs.live(fleet)),
    abortRun: (id) => answer(() => runs.abort(id)),
    orderRun: (id, order) => answer(() => runs.order(id, order, named)),
    resumeRun: (id) => answer(() => runs.resume(id, named)),
    ...alertCalls(alerts, ask),
    ...runbookCalls(runbooks, ask, answer, (alert) => alerts.kindOf(alert), options.consent != null, now),
    history: (fleet, hours) => ask(fleet, (found) => historyOf(found, hours, evidence.view()?.shown.at_ms ?? now())),
    historySvg: (_fleet, name) => answer(() => chart(name === 'reloads' ? 'reloads' : 'versions')),
    previewCapture: (fleet, asked) => answer(() => previewOf(fleet, asked)),
    captureEvidence: (fleet, asked, _key, path) => answer(() => ({ sealed: sealedOf(fleet, asked, path), verdict: new FakeEvidence(null).open(path).verdict })),
    chooseEvidence: () => answer(() => '/home/ops/rollout.zip'),
    openEvidence: (path, named) => answer(() => {
      const opened = evidence.open(path, named);
      if (evidence.view()) [names, open] = [[CAPTURED], CAPTURED];
      return opened;
    }),
    openedEvidence: () => answer(() => evidence.opened),
    closeEvidence: () => answer(() => {
      evidence.close();
      open = options.fleet;
      names = open === null ? [] : [...new Set([...SHOWN, open])];
      return shell();
    }),
    evidenceRequest: (planHash) => answer(() => ({ digest: planHash, request: consent.request(planHash, CAPTURED), roles: ['platform-security', 'storage'], signers: SIGNERS })),
    answerEvidenceRequest: (planHash, _digest, sign, output) => answer(() => changed(CAPTURED, consent.signedView(planHash, CAPTURED, consent.answered(planHash, sign), output))),
    compareEvidence: (left, right) => answer(() => evidence.compare(left, right)),
    evidenceSteps: () => answer(() => evidence.steps),
    showEvidenceStep: (step) => answer(() => {
      evidence.show(step);
      announce([{ topic: 'shell' }, { topic: 'fleet', fleet: CAPTURED }]);
      return shell();
    }),
    refresh: (fleet) => answer(() => {
      const found = named(fleet);
      found.sweptAtMs = now();
      announce([{ topic: 'shell' }, { topic: 'fleet', fleet }]);
    }),
    enrolledRoster: (fleet) => answer(() => rosters.of(fleet)),
    openRoster: (fleet, path) => answer(() => rosters.open(fleet, path)),
    enrolRoster: (fleet, path, _file, fingerprints) => answer(() => changed(fleet, rosters.enrol(fleet, path, fingerprints))),
    settings: () => answer(settings),
    setQuiet: (fleet, off) => answer(() => {
      if (off) quiet.add(fleet);
      else quiet.delete(fleet);
      return settings();
    }),
    addFleet: (path) => answer(() => {
      if (path.includes('nope')) return fail('invalid', `${path} could not be read: no such file`, 'Give the full path of a fleet file.');
      const name = path.replace(/^.*\//, '').replace(/\.toml$/, '');
      if (!FLEET_NAMES.includes(name)) return fail('invalid', `${path}: line 3, field \`environment\`: expected text`, 'Mend the line and add it again.');
      names = [...new Set([...names, name])];
      open ??= name;
      return shell();
    }),
    removeFleet: (name) => answer(() => {
      names = names.filter((other) => other !== name);
      if (open === name) open = names[0] ?? null;
      return shell();
    }),
    previewImport: (fleet, format, text, name) => answer(() => importPreview(fleet === null ? [] : named(fleet).nodes, format, text, name)),
    saveImport: (name) => answer(() => {
      if (!names.includes(name) && FLEET_NAMES.includes(name)) names = [...names, name];
      return shell();
    }),
    chooseFleetFile: () => answer(() => '/home/ops/fleets/payments-eu.toml'),
    chooseSignedFile: () => answer(() => '/home/ops/answer-jo.json'),
    chooseImportFile: () => answer(() => ({ name: 'nodes.json', text: '[{"targets":["fra-gw-1:8443","new-1:8443"]}]' })),
    choosePlace: (name) => answer(() => `/home/ops/fleets/${name}`),
    saveText: (name) => answer(() => `/home/ops/${name}`),
    setSecret: (name) => answer(() => {
      if (options.keyringProblem) fail('keyring', options.keyringProblem, 'Use an environment variable instead.');
      for (const credential of credentials) if (credential.name === name) credential.status = 'present';
      announce([{ topic: 'shell' }]);
    }),
    deleteSecret: (name) => answer(() => {
      for (const credential of credentials) if (credential.name === name) credential.status = 'missing';
      announce([{ topic: 'shell' }]);
    }),
    startDemo: () => answer(() => {
      names = ['demo'];
      open = 'demo';
      return shell();
    }),
    chartSvg: (_fleet, name) => answer(() => chart(name)),
    painted: () => answer(() => undefined),
    visible: () => answer(() => undefined),
    quit: () => answer(() => undefined),
    onTopics: (listener) => {
      heard.add(listener);
      return Promise.resolve(() => heard.delete(listener));
    },
    onDropped: () => Promise.resolve(() => undefined),
    onClicked: () => Promise.resolve(() => undefined),
  };
}

export const api: Api = createFake(fromAddress());
