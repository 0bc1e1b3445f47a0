import BadgeAlert from '@lucide/svelte/icons/badge-alert';
import Check from '@lucide/svelte/icons/check';
import CircleX from '@lucide/svelte/icons/circle-x';
import Hand from '@lucide/svelte/icons/hand';
import ListFilter from '@lucide/svelte/icons/list-filter';
import Microscope from '@lucide/svelte/icons/microscope';
import RefreshCw from '@lucide/svelte/icons/refresh-cw';
import type { AlertAct } from '$lib/api/api';
import { plural } from '$lib/domain/words.logic';
import { moveKey, type Action } from '$lib/state/commands.svelte';

/** Acts that ask for words first. */
export type AskedAct = Exclude<AlertAct['act'], 'claim'>;

interface Acting {
  /** The alerts that are meant. */
  refs: readonly string[];
  /** Why an act cannot be done. */
  hindered: (act: AlertAct['act']) => string | undefined;
  claim: () => void;
  ask: (act: AskedAct) => void;
}

const GROUP = 'Alerts';

/** What can be done with the marked alerts, or the one under the cursor. */
export function acts({ refs, hindered, claim, ask }: Acting): Action[] {
  if (refs.length === 0) return [];
  const of = refs.length === 1 ? 'this alert' : plural(refs.length, 'alert');
  return [
    { id: 'alerts.claim', title: `Claim ${of}`, short: 'Claim', word: 'claim', group: GROUP, icon: Hand, keys: ['c'], disabled: hindered('claim'), run: claim },
    { id: 'alerts.ack', title: `Ack ${of} with a note…`, short: 'Ack…', word: 'ack', group: GROUP, icon: Check, keys: ['a'], disabled: hindered('ack'), run: () => ask('ack') },
    { id: 'alerts.convert', title: `Put ${of} into an incident…`, short: 'Incident…', word: 'incident', group: GROUP, icon: BadgeAlert, keys: ['i'], disabled: hindered('convert'), run: () => ask('convert') },
    { id: 'alerts.triage', title: `Triage ${of}: freeze what the fleet looks like…`, short: 'Triage…', word: 'triage', group: GROUP, icon: Microscope, keys: ['t'], disabled: hindered('triage'), run: () => ask('triage') },
    { id: 'alerts.fail', title: `Mark ${of} as failed, to be tried again…`, short: 'Fail…', group: GROUP, icon: CircleX, keys: ['f'], disabled: hindered('fail'), run: () => ask('fail') },
  ];
}

interface Moving {
  lines: number;
  at: number;
  opened: boolean;
  moveTo: (index: number) => void;
  open: () => void;
  mark: (range: boolean) => void;
  filter: () => void;
  refresh: () => void;
  back: () => void;
}

const PAGE_STEP = 12;

/** Keys that move about the list. */
export function moving(of: Moving): Action[] {
  return [
    moveKey('alerts.down', 'Next line', ['j', 'ArrowDown'], () => of.moveTo(of.at + 1), 'move'),
    moveKey('alerts.up', 'Previous line', ['k', 'ArrowUp'], () => of.moveTo(of.at - 1)),
    moveKey('alerts.first', 'First line', ['g', 'Home'], () => of.moveTo(0)),
    moveKey('alerts.last', 'Last line', ['G', 'End'], () => of.moveTo(of.lines - 1)),
    moveKey('alerts.page-down', 'A page down', ['PageDown'], () => of.moveTo(of.at + PAGE_STEP)),
    moveKey('alerts.page-up', 'A page up', ['PageUp'], () => of.moveTo(of.at - PAGE_STEP)),
    moveKey('alerts.open', 'Open the alert, or the alerts of a storm', ['Enter', 'd'], of.open, 'open'),
    moveKey('alerts.mark', 'Mark the line', ['Space'], () => of.mark(false), 'mark'),
    moveKey('alerts.range', 'Mark from the last mark to here', ['Ctrl+Space'], () => of.mark(true)),
    { id: 'alerts.filter', title: 'Filter alerts', word: 'filter', group: GROUP, icon: ListFilter, keys: ['/'], run: of.filter },
    { id: 'alerts.refresh', title: 'Sweep the fleet now, which tells the inbox', word: 'refresh', group: GROUP, icon: RefreshCw, keys: ['r'], live: true, run: of.refresh },
    ...(of.opened
      ? [
          moveKey('alerts.next', 'Next alert, what is open stays open', [']'], () => of.moveTo(of.at + 1), 'next alert'),
          moveKey('alerts.previous', 'Previous alert, what is open stays open', ['['], () => of.moveTo(of.at - 1)),
        ]
      : []),
    moveKey('alerts.back', 'Back: close the alert, then the filter, then the marks', ['Escape'], of.back),
  ];
}
