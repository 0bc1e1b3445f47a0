import ChartColumn from '@lucide/svelte/icons/chart-column';
import CheckCheck from '@lucide/svelte/icons/check-check';
import History from '@lucide/svelte/icons/history';
import MoveRight from '@lucide/svelte/icons/move-right';
import Pin from '@lucide/svelte/icons/pin';
import Power from '@lucide/svelte/icons/power';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import X from '@lucide/svelte/icons/x';
import type { ActionKind, Chart, FleetView, NodeSelection as Selected } from '$lib/api/api';
import { STATES } from '$lib/domain/states';
import { plural } from '$lib/domain/words.logic';
import type { Action } from '$lib/state/commands.svelte';
import type { Session } from '$lib/state/session';
import { driftedCount, idsInState, matchedIds } from './fleet.logic';

/** What an action would act on now: marks first, then the node under the cursor. */
export interface Target {
  ids: readonly string[];
  word: string;
}

export function targetOf(marks: readonly string[], under: string | null): Target | null {
  if (marks.length > 0) return { ids: marks, word: `${plural(marks.length, 'marked node')}` };
  return under === null ? null : { ids: [under], word: under };
}

const NOTHING = 'Mark nodes with Space, or move to one.';

/** Actions that change nodes; a read-only fleet has none. */
export function changing(shared: Session, view: FleetView, target: Target | null): Action[] {
  if (view.read_only) return [];
  const selection = (): Selected => ({ select: 'nodes', ids: [...(target?.ids ?? [])] });
  const plan = (kind: ActionKind) => () => void shared.planner.plan({ kind, nodes: selection(), force: false });
  const disabled = target === null ? NOTHING : undefined;
  const on = target === null ? '' : ` ${target.word}`;
  const group = 'Selection';
  const drifted = driftedCount(view);
  return [
    { id: 'fleet.sync', title: `Sync${on}`, short: `Sync${target && target.ids.length > 1 ? ` ${target.ids.length} marked` : on}`, word: 'sync', group, icon: RefreshCw, keys: ['s'], disabled, run: plan('sync') },
    { id: 'fleet.pin', title: `Pin${on} to a version…`, short: 'Pin…', word: 'pin', group, icon: Pin, keys: ['p'], disabled, run: () => shared.planner.chooseVersion('pin_and_sync', selection()) },
    { id: 'fleet.roll-out', title: `Roll out${on} in waves…`, short: 'In waves…', group, icon: MoveRight, disabled: target === null || target.ids.length < 2 ? 'Mark several nodes with Space first.' : undefined, run: () => shared.rollOut({ kind: 'sync', nodes: selection(), force: false }) },
    { id: 'fleet.rollback', title: `Roll back${on}…`, short: 'Roll back…', group, icon: History, disabled, run: () => shared.planner.chooseVersion('rollback', selection()) },
    { id: 'fleet.restart', title: `Restart${on}…`, short: 'Restart…', group, icon: Power, disabled, run: plan('restart') },
    {
      id: 'fleet.sync-drifted',
      title: `Plan sync of ${drifted} drifted`,
      group: 'Fleet',
      icon: RefreshCw,
      disabled: drifted === 0 ? 'Nothing that a sync can mend.' : undefined,
      run: () => void shared.planner.plan({ kind: 'sync', nodes: { select: 'drifted' }, force: false }),
    },
    {
      id: 'fleet.roll-out-drifted',
      title: `Roll out to ${drifted} drifted in waves…`,
      short: 'In waves…',
      group: 'Fleet',
      icon: MoveRight,
      disabled: drifted === 0 ? 'Nothing that a sync can mend.' : undefined,
      run: () => shared.rollOut({ kind: 'sync', nodes: { select: 'drifted' }, force: false }),
    },
    {
      id: 'fleet.resolve',
      title: 'Bring every node to one version…',
      group: 'Fleet',
      icon: CheckCheck,
      disabled: view.total === 0 ? 'This fleet has no nodes.' : undefined,
      run: () => shared.planner.chooseVersion('resolve_conflict', { select: 'all' }),
    },
  ];
}

async function copyChart(shared: Session, fleet: string, chart: Chart, node: string | null): Promise<void> {
  try {
    await shared.copy(await shared.api.chartSvg(fleet, chart, node), 'the chart');
  } catch (thrown) {
    shared.toasts.fail(thrown);
  }
}

/** Actions that only look. Marks wait for the ids, which come after the picture. */
export function looking(shared: Session, view: FleetView, ids: readonly string[] | null): Action[] {
  const { selection } = shared;
  const waiting = ids === null ? 'The names of the nodes are still being read.' : undefined;
  return [
    ...STATES.filter(({ code }) => view.matrix.cells.includes(code)).map(
      (look): Action => ({ id: `fleet.mark-${look.state}`, title: `Mark every node that is ${look.word.toLowerCase()}`, group: 'Marks', icon: CheckCheck, disabled: waiting, run: () => selection.add(idsInState(view, ids ?? [], look.code)) }),
    ),
    { id: 'fleet.mark-matched', title: `Mark all ${view.matched} nodes the filter shows`, group: 'Marks', icon: CheckCheck, keys: ['Ctrl+A'], disabled: waiting, run: () => selection.add(matchedIds(view, ids ?? [])) },
    { id: 'fleet.chart', title: 'Copy the chart of versions as SVG', group: 'Fleet', icon: ChartColumn, run: () => void copyChart(shared, view.fleet, 'versions', null) },
    { id: 'fleet.unmark', title: 'Clear all marks', group: 'Marks', icon: X, disabled: selection.count === 0 ? 'Nothing is marked.' : undefined, run: () => selection.clear() },
  ];
}
