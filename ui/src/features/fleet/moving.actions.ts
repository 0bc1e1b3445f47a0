import ListFilter from '@lucide/svelte/icons/list-filter';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import { moveKey, type Action } from '$lib/state/commands.svelte';
import type { Session } from '$lib/state/session';

interface Moving {
  shared: Session;
  rows: number;
  /** Row the cursor stands on. */
  at: number;
  opened: string | null;
  open: () => void;
  moveTo: (index: number) => void;
  mark: (range: boolean) => void;
  filter: (beginning?: string) => void;
  filtered: boolean;
  clearFilter: () => void;
  refresh: () => void;
}

const PAGE_STEP = 12;

/** Keys that move about the table, and those of the filter line. */
export function moving(of: Moving): Action[] {
  const { at } = of;
  const { route, selection } = of.shared;
  return [
    moveKey('move.down', 'Next row', ['j', 'ArrowDown'], () => of.moveTo(at + 1), 'move'),
    moveKey('move.up', 'Previous row', ['k', 'ArrowUp'], () => of.moveTo(at - 1)),
    moveKey('move.first', 'First row', ['g', 'Home'], () => of.moveTo(0)),
    moveKey('move.last', 'Last row', ['G', 'End'], () => of.moveTo(of.rows - 1)),
    moveKey('move.page-down', 'A page down', ['PageDown'], () => of.moveTo(at + PAGE_STEP)),
    moveKey('move.page-up', 'A page up', ['PageUp'], () => of.moveTo(at - PAGE_STEP)),
    moveKey('fleet.open', 'Open the node', ['Enter', 'd'], of.open, 'open'),
    moveKey('fleet.mark', 'Mark the row', ['Space'], () => of.mark(false), 'mark'),
    moveKey('fleet.range', 'Mark from the last mark to here', ['Ctrl+Space'], () => of.mark(true)),
    { id: 'fleet.filter', title: 'Filter nodes', word: 'filter', group: 'Fleet', icon: ListFilter, keys: ['/'], run: () => of.filter() },
    { id: 'fleet.refresh', title: 'Sweep the fleet now', word: 'refresh', group: 'Fleet', icon: RefreshCw, keys: ['r'], live: true, run: of.refresh },
    ...(of.opened === null
      ? []
      : [
          moveKey('node.next', 'Next node, drawer stays open', [']'], () => of.moveTo(at + 1), 'next node'),
          moveKey('node.previous', 'Previous node, drawer stays open', ['['], () => of.moveTo(at - 1)),
        ]),
    moveKey('fleet.back', 'Back: close the node, then the filter, then the marks', ['Escape'], () => {
      if (of.opened !== null) {
        selection.cursor = at;
        route.set({ node: null, tab: null });
      } else if (of.filtered) of.clearFilter();
      else selection.clear();
    }),
  ];
}
