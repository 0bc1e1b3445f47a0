//! What happened in a run of the fake, as its journal would tell it.
import type { RunMoment, RunView } from '../api';

export function momentsOf(run: RunView): RunMoment[] {
  const told: [string, boolean][] = [[`started by ${run.operator}, ${run.total} targets`, false]];
  (run.rollout?.waves ?? []).forEach((wave, index) => {
    if (wave.state === 'waiting') return;
    told.push([`wave ${index + 1} began: ${wave.name}, ${wave.nodes.length} nodes`, false]);
    if (wave.attested !== null) told.push([`${wave.attested.replace(':', ` attested the gate of wave ${index + 1}:`)}`, false]);
    if (wave.state === 'passed') told.push([`the gate of wave ${index + 1} opened`, false]);
    if (wave.state === 'failed') told.push([`the gate of wave ${index + 1} stays shut`, true]);
  });
  for (const bypass of run.bypassed) told.push([bypass, true]);
  if (run.rollout?.paused_by != null) told.push([`paused by ${run.rollout.paused_by}`, false]);
  if (run.rollout?.halted != null) told.push([`halted: ${run.rollout.halted}`, true]);
  if (run.rollout?.rollback != null) told.push([`nodes are brought back: ${run.rollout.rollback}`, true]);
  if (run.ended_at_ms !== null) told.push([`ended: ${run.phase.replaceAll('_', ' ')}`, run.phase !== 'succeeded']);
  return told.map(([what, loud], seq) => ({ seq, at_ms: run.started_at_ms + seq * 7_000, what, loud })).reverse();
}
