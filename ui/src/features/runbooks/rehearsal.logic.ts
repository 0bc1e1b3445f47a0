//! What a rehearsal came to, step by step.
import type { RehearsalView, StepListed } from '$lib/api/api';

export interface FaultLine {
  step: string;
  title: string;
  /** Faults that were tried there, each once. */
  faults: string[];
  /** How those runs ended, each way once. */
  cameTo: string[];
  /** One of them went wrong. */
  bad: boolean;
}

/** A line for each step of the document, and for steps of runbooks that it runs. */
export function faultsByStep(rehearsal: RehearsalView, steps: readonly StepListed[]): FaultLine[] {
  const lines = new Map<string, FaultLine>(steps.map((step) => [step.id, { step: step.id, title: step.title, faults: [], cameTo: [], bad: false }]));
  for (const run of rehearsal.runs) {
    // A second fault is one of the way back: it belongs to its own step.
    const last = run.faults.at(-1);
    if (last === undefined) continue;
    const at = last.indexOf(': ');
    const [step, fault] = at < 0 ? [last, ''] : [last.slice(0, at), last.slice(at + 2)];
    const line = lines.get(step) ?? { step, title: step, faults: [], cameTo: [], bad: false };
    if (!line.faults.includes(fault)) line.faults.push(fault);
    const ended = run.came_to.replaceAll('_', ' ');
    if (!line.cameTo.includes(ended)) line.cameTo.push(ended);
    line.bad ||= run.problem !== null;
    lines.set(step, line);
  }
  return [...lines.values()];
}
