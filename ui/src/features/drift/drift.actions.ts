import MoveRight from '@lucide/svelte/icons/move-right';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import type { GroupView } from '$lib/api/api';
import { plural } from '$lib/domain/words.logic';
import type { Action } from '$lib/state/commands.svelte';
import type { Session } from '$lib/state/session';
import { selectionOf } from './drift.logic';

/** A plan made from what is seen; none in a read-only fleet. */
export function driftActions(shared: Session, group: GroupView | undefined, readOnly: boolean): Action[] {
  if (readOnly) return [];
  const disabled = !group ? 'Choose a group first.' : group.content === null ? 'It is not known what these nodes run; they are left out of a sync.' : group.state === 'in_sync' ? 'This group already runs what is desired.' : undefined;
  return [
    {
      id: 'drift.sync',
      title: group ? `Plan sync of group ${group.letter}, ${plural(group.count, 'node')}` : 'Plan sync',
      word: 'plan sync',
      group: 'Drift',
      icon: RefreshCw,
      keys: ['s'],
      disabled,
      run: () => {
        if (group) void shared.planner.plan({ kind: 'sync', nodes: selectionOf(group), force: false });
      },
    },
    {
      id: 'drift.roll-out',
      title: group ? `Roll out to group ${group.letter} in waves…` : 'Roll out in waves…',
      short: 'In waves…',
      group: 'Drift',
      icon: MoveRight,
      disabled: disabled ?? (group?.count === 1 ? 'One node needs no waves: sync it.' : undefined),
      run: () => {
        if (group) shared.rollOut({ kind: 'sync', nodes: selectionOf(group), force: false });
      },
    },
  ];
}
