//! What runbooks and their runs say, without drawing them.
import type { LibraryRow, MonitorView, ParameterView, RunbookRunPage, RunbookRunState, RunbookRunView, RunbookStanding, StepRunView, WaitingKind, WaitingView } from '$lib/api/api';

export interface Look {
  word: string;
  glyph: string;
  token: string;
}

const GLYPH = {
  dots: 'M3.9 8h.2M7.9 8h.2M11.9 8h.2',
  right: 'M4 8h8M8.5 4.5L12 8l-3.5 3.5',
  tick: 'M4 8.4l2.7 2.7L12 5.4',
  cross: 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8',
  dash: 'M4 8h8',
  doubt: 'M5.7 6.1a2.3 2.3 0 1 1 3.5 2c-.9.5-1.2.9-1.2 1.6M8 12.4v.3',
  back: 'M12 8H4M7.5 4.5L4 8l3.5 3.5',
  pause: 'M6 4.2v7.6M10 4.2v7.6',
  call: 'M8 3.4v5.4M8 12.2v.4',
  person: 'M8 3.6a2.2 2.2 0 1 0 .01 0M4 12.4c.4-2.6 2-3.6 4-3.6s3.6 1 4 3.6',
};

export const RUN_STATES: Record<RunbookRunState, Look> = {
  running: { word: 'going on', glyph: GLYPH.right, token: '--state-converging' },
  waiting: { word: 'waits for people', glyph: GLYPH.person, token: '--state-stale' },
  paused: { word: 'paused', glyph: GLYPH.pause, token: '--state-stale' },
  halted: { word: 'halted', glyph: GLYPH.call, token: '--state-diverged' },
  rolling_back: { word: 'going back', glyph: GLYPH.back, token: '--state-diverged' },
  succeeded: { word: 'succeeded', glyph: GLYPH.tick, token: '--state-in-sync' },
  rolled_back: { word: 'rolled back', glyph: GLYPH.back, token: '--state-stale' },
  aborted: { word: 'aborted', glyph: GLYPH.cross, token: '--state-unreachable' },
  left: { word: 'left behind', glyph: GLYPH.dash, token: '--state-unknown' },
};

const STEP_STATES: Record<string, Look> = {
  waiting: { word: 'to come', glyph: GLYPH.dots, token: '--state-unreachable' },
  asks: { word: 'waits for somebody', glyph: GLYPH.person, token: '--state-stale' },
  running: { word: 'going on', glyph: GLYPH.right, token: '--state-converging' },
  succeeded: { word: 'done', glyph: GLYPH.tick, token: '--state-in-sync' },
  failed: { word: 'failed', glyph: GLYPH.cross, token: '--state-diverged' },
  in_doubt: { word: 'in doubt', glyph: GLYPH.doubt, token: '--state-stale' },
  skipped: { word: 'left out', glyph: GLYPH.dash, token: '--state-unknown' },
  not_taken: { word: 'not taken', glyph: GLYPH.dash, token: '--state-unknown' },
};
const UNKNOWN: Look = { word: 'not known', glyph: GLYPH.doubt, token: '--state-unknown' };

/** People have to give it: time alone ends no such wait. */
export const asksPeople = (waiting: WaitingView): boolean => waiting.what !== 'time';

/** What a run waits for that people have to give, the first step first. */
export const asked = (run: RunbookRunView): WaitingView[] => run.waiting.filter(asksPeople);

export const isOver = (run: RunbookRunView): boolean => run.ended_at_ms !== null;

/** The arm of a branch that was not taken, or what belongs to one. */
export function isNotTaken(step: StepRunView, run: RunbookRunView): boolean {
  const parent = step.within === null ? undefined : run.steps.find((one) => one.id === step.within);
  if (parent === undefined) return false;
  if (parent.kind === 'branch' && parent.state === 'succeeded' && step.arm !== null && step.arm !== parent.detail) return true;
  return parent.state === 'skipped' || isNotTaken(parent, run);
}

/** How a step stands, in the words that its row shows. */
export function stepState(step: StepRunView, run: RunbookRunView): string {
  if (step.state === 'running' && asked(run).some((waiting) => waiting.step === step.id)) return 'asks';
  if (step.state === 'waiting' && isNotTaken(step, run)) return 'not_taken';
  return step.state;
}

export const stepLook = (step: StepRunView, run: RunbookRunView): Look => STEP_STATES[stepState(step, run)] ?? UNKNOWN;

const PHASES: Record<string, string> = { preconditions: 'Preconditions', freeze: 'Freeze', dry_run: 'Dry run', execute: 'Execution', validate: 'Validation', unfreeze: 'Unfreeze', rollback: 'Way back' };
export const phaseWord = (phase: string): string => PHASES[phase] ?? phase;

export interface StepGroup {
  title: string;
  steps: { step: StepRunView; depth: number }[];
}

/** Steps under their phases, ways back last; where there are no phases, one group. */
export function stepGroups(run: RunbookRunView): StepGroup[] {
  const depth = (step: StepRunView): number => {
    const parent = step.within === null ? undefined : run.steps.find((one) => one.id === step.within);
    return parent === undefined ? 0 : 1 + depth(parent);
  };
  const groups: StepGroup[] = [];
  const add = (title: string, step: StepRunView): void => {
    const last = groups.find((group) => group.title === title);
    const entry = { step, depth: Math.min(3, depth(step)) };
    if (last) last.steps.push(entry);
    else groups.push({ title, steps: [entry] });
  };
  const back = (step: StepRunView): boolean => step.way_back || step.phase === 'rollback';
  for (const step of ordered(run.steps.filter((one) => !back(one)))) add(step.phase === null ? 'Steps' : phaseWord(step.phase), step);
  for (const step of run.steps.filter(back)) add('Way back', step);
  return groups;
}

/** Steps as they are done: what a branch leads to stands below it, wherever it is written. */
function ordered(steps: readonly StepRunView[]): StepRunView[] {
  const known = new Set(steps.map((step) => step.id));
  const below = (id: string): StepRunView[] => steps.filter((step) => step.within === id).flatMap((step) => [step, ...below(step.id)]);
  return steps.filter((step) => step.within === null || !known.has(step.within)).flatMap((step) => [step, ...below(step.id)]);
}

/** Steps that count: those not on an arm that was not taken, and no ways back. */
const counted = (run: RunbookRunView): StepRunView[] => run.steps.filter((step) => !step.way_back && step.phase !== 'rollback' && !isNotTaken(step, run));

export function progress(run: RunbookRunView): { done: number; of: number } {
  const steps = counted(run);
  return { done: steps.filter((step) => step.state === 'succeeded' || step.state === 'skipped').length, of: steps.length };
}

/** The step that everybody looks at: what people are asked for, else what goes on, else the last that ended. */
export function currentStep(run: RunbookRunView): StepRunView | undefined {
  const asking = run.waiting.find((waiting) => waiting.step !== '');
  const byId = (id: string | undefined): StepRunView | undefined => run.steps.find((step) => step.id === id);
  const going = run.steps.filter((step) => step.state === 'running' && step.kind !== 'branch' && step.kind !== 'parallel' && step.kind !== 'runbook');
  return byId(asking?.step) ?? going[0] ?? endedSteps(run)[0] ?? run.steps[0];
}

/** Steps that came to an end, the newest first. */
export const endedSteps = (run: RunbookRunView): StepRunView[] => run.steps.filter((step) => step.ended_at_ms !== null).sort((a, b) => (b.ended_at_ms ?? 0) - (a.ended_at_ms ?? 0) || run.steps.indexOf(b) - run.steps.indexOf(a));

/** What a run wants, and from whom, in one sentence. */
export function waitingWords(waiting: WaitingView): string {
  const whom = waiting.groups.length === 0 ? 'whoever runs it' : waiting.groups.join(' and ');
  const words: Record<WaitingKind, string> = {
    answer: `Waits for an answer of ${whom}`,
    attestation: `Waits until ${whom} attests it`,
    announcement: `Waits until ${whom} announced it`,
    approval: `Waits for consent of ${whom}`,
    confirmation: `Waits for ${whom} to confirm the plan`,
    decision: `Failed: waits for ${whom} to decide`,
    settlement: `In doubt: waits for ${whom} to look`,
    time: 'Waits for time to pass',
    pause: 'Paused',
  };
  return words[waiting.what];
}

/** The verb of the button that gives what is waited for. */
export const VERBS: Record<WaitingKind, string> = { answer: 'Answer…', attestation: 'Attest…', announcement: 'Announced…', approval: 'Approve…', confirmation: 'Confirm…', decision: 'Decide…', settlement: 'Settle…', time: '', pause: 'Go on' };

const ORDER: RunbookRunState[] = ['halted', 'waiting', 'paused', 'rolling_back', 'running', 'left'];

/** Runs that are not over, those that want somebody first. */
export const openRuns = (runs: readonly RunbookRunView[]): RunbookRunView[] => runs.filter((run) => !isOver(run)).sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || b.started_at_ms - a.started_at_ms);

export const STANDINGS: Record<RunbookStanding['standing'], { word: string; says: string }> = {
  shipped: { word: 'Shipped', says: 'Its bytes came with the program' },
  signed: { word: 'Signed', says: 'Somebody of the roster signed its bytes' },
  unknown: { word: 'Unknown', says: 'Nobody vouches for it: it runs only once its digest is typed' },
};

const SEVERITIES = ['critical', 'high', 'medium', 'low'];

/** Rows with every word of a filter line somewhere in what the list shows; `severity:high` and the like name a part. */
export function filtered(rows: readonly LibraryRow[], line: string): LibraryRow[] {
  const words = line.toLowerCase().split(/\s+/).filter((word) => word !== '');
  const fits = ({ runbook, standing }: LibraryRow): boolean => {
    const parts: Record<string, string> = {
      severity: runbook.severity,
      owner: runbook.owner,
      scope: runbook.on_call_scope,
      check: runbook.doctor_check ?? '',
      standing: standing.standing,
      alert: runbook.alerts.join(' '),
    };
    const text = [runbook.title, runbook.file, runbook.component, ...Object.values(parts)].join(' ').toLowerCase();
    return words.every((word) => {
      const [part = '', rest] = word.split(/:(.*)/s);
      const named = rest === undefined ? undefined : parts[part];
      return named === undefined ? text.includes(word) : named.toLowerCase().includes(rest ?? '');
    });
  };
  return rows.filter(fits).sort((a, b) => rank(a) - rank(b) || a.runbook.file.localeCompare(b.runbook.file));
}

const rank = ({ runbook }: LibraryRow): number => {
  const at = SEVERITIES.indexOf(runbook.severity);
  return at < 0 ? SEVERITIES.length : at;
};

/** Why a typed value is none of a parameter; what is still empty is only missing. */
export function parameterWrong(parameter: ParameterView, value: string): string | undefined {
  if (value === '') return undefined;
  switch (parameter.kind) {
    case 'integer':
      return /^-?\d+$/.test(value) ? undefined : 'A whole number, such as 12.';
    case 'node':
      return /^[A-Za-z0-9._:-]{1,128}$/.test(value) ? undefined : 'The name of a node, as the fleet file has it.';
    case 'digest':
      return /^[0-9a-fA-F]{64}$/.test(value) ? undefined : 'A SHA-256 of 64 hex digits.';
    default:
      return undefined;
  }
}

/** What is still missing before a runbook can start, in a sentence. */
export function startMissing(parameters: readonly ParameterView[], values: Record<string, string>, hosts: readonly string[], allowed: readonly string[]): string | undefined {
  const empty = parameters.find((parameter) => (values[parameter.name] ?? '') === '');
  if (empty) return `Give ${empty.name} first.`;
  const wrong = parameters.find((parameter) => parameterWrong(parameter, values[parameter.name] ?? '') !== undefined);
  if (wrong) return `Mend ${wrong.name} first.`;
  const host = hosts.find((one) => !allowed.includes(one));
  return host === undefined ? undefined : `Its requests go to ${host}: allow that first.`;
}

/** Values that a form begins with: what is known, else the default. */
export const startValues = (parameters: readonly ParameterView[], known: Record<string, string>): Record<string, string> => Object.fromEntries(parameters.map((parameter) => [parameter.name, known[parameter.name] ?? parameter.default ?? (parameter.kind === 'boolean' ? 'false' : '')]));

/** Values that an address carries; anything odd is none. */
export function readKnown(text: string | null): Record<string, string> {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string')) : {};
  } catch {
    return {};
  }
}

/** A path of an SVG through figures in a box; one figure is a line. */
export function sparkline(figures: readonly { at_ms: number; value: number }[], limits: readonly number[], width: number, height: number): { path: string; limits: number[] } {
  const values = [...figures.map((figure) => figure.value), ...limits];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const range = most - least || 1;
  const y = (value: number): number => height - ((value - least) / range) * height;
  const [first, last] = [figures[0]?.at_ms ?? 0, figures.at(-1)?.at_ms ?? 0];
  const x = (at: number): number => (last === first ? width : ((at - first) / (last - first)) * width);
  const points = figures.map((figure) => `${x(figure.at_ms).toFixed(1)} ${y(figure.value).toFixed(1)}`);
  const path = points.length === 0 ? '' : points.length === 1 ? `M0 ${points[0]?.split(' ')[1] ?? 0}L${points[0] ?? ''}` : `M${points.join('L')}`;
  return { path, limits: limits.map(y) };
}

/** The limits of a monitor in words: `at most 60`, `0 to 5`. */
export function limitWords({ min, max }: MonitorView): string {
  if (min !== null && max !== null) return `${min} to ${max}`;
  return min !== null ? `at least ${min}` : max !== null ? `at most ${max}` : '';
}

/** Whether a figure is outside its limits. */
export const isOutside = ({ min, max }: MonitorView, value: number): boolean => (min !== null && value < min) || (max !== null && value > max);

const UNITS = ['bytes', 'kB', 'MB', 'GB'];
export function size(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** Whether people can say their word to a run here, or why not. */
export function cannotSay(page: RunbookRunPage): string | undefined {
  if (isOver(page.run)) return 'The run has ended.';
  if (page.carried === 'elsewhere') return 'Another program carries it out: say it there.';
  if (page.carried !== 'nobody') return undefined;
  return page.barred === null ? 'Nobody carries it out: pick it up first.' : 'Nobody carries it out, and it goes on no more: end it.';
}

/** Lines that say the same one after the other, once, with how often: a plan tells each node that it leaves out. */
export function collapsed(text: string): string {
  const lines: { line: string; times: number }[] = [];
  for (const line of text.split('\n')) {
    const last = lines.at(-1);
    if (last?.line === line) last.times += 1;
    else lines.push({ line, times: 1 });
  }
  return lines.map(({ line, times }) => (times > 1 ? `${line} (${times} times)` : line)).join('\n');
}
