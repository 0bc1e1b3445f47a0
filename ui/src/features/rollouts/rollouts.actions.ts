import Ban from '@lucide/svelte/icons/ban';
import FastForward from '@lucide/svelte/icons/fast-forward';
import Hand from '@lucide/svelte/icons/hand';
import Pause from '@lucide/svelte/icons/pause';
import Play from '@lucide/svelte/icons/play';
import Stamp from '@lucide/svelte/icons/stamp';
import Undo2 from '@lucide/svelte/icons/undo-2';
import type { RunOrder, RunView } from '$lib/api/api';
import type { Action } from '$lib/state/commands.svelte';
import { gateWaits, ordersOf } from './rollouts.logic';

/** Orders that ask for words first. */
export type Asked = 'abort' | 'roll_back' | 'attest' | 'skip_gate';

export interface Hands {
  give: (order: RunOrder) => void;
  ask: (asked: Asked) => void;
  pickUp: () => void;
}

const GROUP = 'Run';

/** What can be ordered of a run now; a run that is over, or of a read-only fleet, takes no orders. */
export function orderActions(run: RunView, hands: Hands): Action[] {
  const orders = ordersOf(run);
  const actions: Action[] = [];
  if (orders.canPickUp) actions.push({ id: 'run.pick-up', title: `Pick up from its journal: ${run.title}`, short: 'Pick up', group: GROUP, icon: Hand, run: hands.pickUp });
  if (orders.canResume) actions.push({ id: 'run.resume', title: `Resume: ${run.title}`, short: 'Resume', group: GROUP, icon: Play, run: () => hands.give({ order: 'resume' }) });
  if (orders.canPause) actions.push({ id: 'run.pause', title: `Pause, start nothing further: ${run.title}`, short: 'Pause', group: GROUP, icon: Pause, run: () => hands.give({ order: 'pause' }) });
  if (orders.canRollBack) actions.push({ id: 'run.roll-back', title: `Roll back: ${run.title}…`, short: 'Roll back…', group: GROUP, icon: Undo2, run: () => hands.ask('roll_back') });
  if (orders.canAbort) actions.push({ id: 'run.stop', title: `Abort: ${run.title}…`, short: 'Abort…', group: GROUP, icon: Ban, run: () => hands.ask('abort') });
  return actions;
}

/** What can be said of the gate of a wave now. */
export function gateActions(run: RunView, wave: number, hands: Hands): Action[] {
  const of = run.rollout?.waves[wave];
  if (!of || !gateWaits(run, wave)) return [];
  const actions: Action[] = [];
  if (of.waits_for_attestation) actions.push({ id: 'run.attest', title: `Attest the gate of wave ${wave + 1}, ${of.name}…`, short: 'Attest…', word: 'attest', group: GROUP, icon: Stamp, keys: ['a'], run: () => hands.ask('attest') });
  actions.push({ id: 'run.skip-gate', title: `Skip the gate of wave ${wave + 1}, ${of.name}…`, short: 'Skip the gate…', group: GROUP, icon: FastForward, run: () => hands.ask('skip_gate') });
  return actions;
}
