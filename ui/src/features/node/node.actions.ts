import History from '@lucide/svelte/icons/history';
import Copy from '@lucide/svelte/icons/copy';
import Diff from '@lucide/svelte/icons/diff';
import Pin from '@lucide/svelte/icons/pin';
import Power from '@lucide/svelte/icons/power';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import type { NodeSelection, NodeView } from '$lib/api/api';
import type { Action } from '$lib/state/commands.svelte';
import type { Session } from '$lib/state/session';
import { actionWord, isChanging } from './node.logic';

const ICONS = { sync: RefreshCw, pin: Pin, rollback: History, restart: Power };

/** What can be done to one node. A read-only fleet only looks and copies. */
export function nodeActions(shared: Session, view: NodeView, readOnly: boolean): Action[] {
  const id = view.row.id;
  const nodes: NodeSelection = { select: 'nodes', ids: [id] };
  const { planner, route } = shared;
  const runs: Record<string, () => void> = {
    sync: () => void planner.plan({ kind: 'sync', nodes, force: false }),
    pin: () => planner.chooseVersion('pin_and_sync', nodes),
    rollback: () => planner.chooseVersion('rollback', nodes),
    restart: () => void planner.plan({ kind: 'restart', nodes, force: false }),
  };
  const keys: Record<string, string[]> = shared.selection.count > 0 ? {} : { sync: ['s'], pin: ['p'] };
  const words: Record<string, string> = shared.selection.count > 0 ? {} : { sync: 'sync', pin: 'pin' };
  const changing = view.actions.filter((action) => isChanging(action.kind)).map(
    (action): Action => ({
      id: `node.${action.kind}`,
      title: `${actionWord(action.kind)}`,
      group: id,
      icon: ICONS[action.kind as keyof typeof ICONS],
      ...(keys[action.kind] ? { keys: keys[action.kind] ?? [] } : {}),
      ...(words[action.kind] ? { word: words[action.kind] ?? '' } : {}),
      disabled: action.disabled ?? undefined,
      run: runs[action.kind] ?? (() => undefined),
    }),
  );
  const tab = (key: string, title: string, keyName: string, word?: string): Action => ({ id: `node.tab-${keyName}`, title, group: id, keys: [keyName], ...(word ? { word } : {}), run: () => route.set({ node: id, tab: key === 'overview' ? null : key }) });
  return [
    ...(readOnly ? [] : changing),
    tab('overview', 'Describe', 'd'),
    tab('raw', 'Raw answers', 'y', 'raw'),
    tab('logs', 'Logs', 'l', 'logs'),
    tab('overview', 'Reload history', 'e'),
    { id: 'node.diff', title: 'Diff against desired', group: id, icon: Diff, disabled: view.row.content === null ? 'The node has not told what it runs.' : undefined, run: () => route.go('drift', { node: id }) },
    { id: 'node.baseline', title: 'Compare the fleet with this node', group: id, icon: Diff, disabled: view.row.content === null ? 'The node has not told what it runs.' : undefined, run: () => route.go('drift', { baseline: `node ${id}` }) },
    ...view.actions.filter((action) => !readOnly || !isChanging(action.kind)).flatMap((action): Action[] => [
      { id: `node.cli-${action.kind}`, title: `Copy as CLI: ${actionWord(action.kind).replace('…', '')}`, group: id, icon: Copy, run: () => void shared.copy(action.cli, 'the command line') },
      ...(action.step === null ? [] : [{ id: `node.step-${action.kind}`, title: `Copy as runbook step: ${actionWord(action.kind).replace('…', '')}`, group: id, icon: Copy, run: () => void shared.copy(action.step ?? '', 'the step') }]),
      ...(action.curl.length === 0 ? [] : [{ id: `node.curl-${action.kind}`, title: `Copy as curl: ${actionWord(action.kind).replace('…', '')}`, group: id, icon: Copy, run: () => void shared.copy(action.curl.join('\n'), 'curl') }]),
    ]),
  ];
}
