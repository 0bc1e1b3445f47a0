import Bell from '@lucide/svelte/icons/bell';
import BookOpenCheck from '@lucide/svelte/icons/book-open-check';
import CircleQuestionMark from '@lucide/svelte/icons/circle-question-mark';
import Clock from '@lucide/svelte/icons/clock';
import Contrast from '@lucide/svelte/icons/contrast';
import Diff from '@lucide/svelte/icons/diff';
import FileCheck from '@lucide/svelte/icons/file-check';
import HistoryIcon from '@lucide/svelte/icons/history';
import Keyboard from '@lucide/svelte/icons/keyboard';
import ListChecks from '@lucide/svelte/icons/list-checks';
import LayoutGrid from '@lucide/svelte/icons/layout-grid';
import LogOut from '@lucide/svelte/icons/log-out';
import Server from '@lucide/svelte/icons/server';
import Settings from '@lucide/svelte/icons/settings';
import Terminal from '@lucide/svelte/icons/terminal';
import MoveRight from '@lucide/svelte/icons/move-right';
import Undo2 from '@lucide/svelte/icons/undo-2';
import type { ShellView } from '$lib/api/api';
import { plural } from '$lib/domain/words.logic';
import type { Action } from '$lib/state/commands.svelte';
import { THEMES, type Theme } from '$lib/state/prefs.svelte';
import type { Session } from '$lib/state/session';
import { screensOf } from './screens';

interface Everywhere {
  shared: Session;
  shell: ShellView | undefined;
  open: (fleet: string) => void;
  show: (what: 'palette' | 'line' | 'keys' | 'runs') => void;
}

const ICONS = { fleet: LayoutGrid, drift: Diff, rollouts: MoveRight, alerts: Bell, runbooks: BookOpenCheck, history: HistoryIcon, evidence: FileCheck, settings: Settings, help: CircleQuestionMark };

/** Actions that work on every screen. */
export function everywhere({ shared, shell, open, show }: Everywhere): Action[] {
  const { route, prefs, planner, api } = shared;
  const fleets = shell?.fleets ?? [];
  return [
    ...screensOf(shell?.fleet != null, shell?.evidence != null).map(
      ({ screen, word, key }): Action => ({ id: `go.${screen}`, title: `Go to ${word}`, group: 'Go to', icon: ICONS[screen], keys: screen === 'settings' ? [key, 'Ctrl+,'] : [key], run: () => route.go(screen) }),
    ),
    {
      id: 'app.open-fleet',
      title: 'Open fleet…',
      group: 'Go to',
      icon: Server,
      disabled: fleets.length === 0 ? 'No fleet has been added yet.' : undefined,
      argument: { name: 'fleet', choices: () => fleets.map((fleet) => ({ value: fleet.name, label: fleet.name, detail: fleet.error ?? plural(fleet.nodes, 'node') })) },
      run: (name) => {
        if (name !== undefined) open(name);
      },
    },
    {
      id: 'app.open-node',
      title: 'Open node…',
      group: 'Go to',
      icon: Server,
      disabled: shell?.fleet == null ? 'Open a fleet first.' : undefined,
      argument: { name: 'node', choices: (typed) => nodesLike(shared, shell?.fleet ?? '', typed) },
      run: (id) => {
        if (id !== undefined) route.go('fleet', { node: id });
      },
    },
    ...(planner.undo === null ? [] : [{ id: 'app.undo', title: `Undo: ${planner.undo.title}`, word: 'undo the last run', group: 'Run', icon: Undo2, keys: ['u'], run: () => planner.runUndo() }]),
    { id: 'app.runs', title: 'Runs of this fleet…', group: 'Run', icon: ListChecks, keys: ['h'], disabled: shell?.fleet == null ? 'Open a fleet first.' : undefined, run: () => show('runs') },
    { id: 'app.clock', title: prefs.utc ? 'Show local time' : 'Show UTC', word: 'UTC/local', group: 'Window', icon: Clock, keys: ['z'], run: () => prefs.toggleUtc() },
    {
      id: 'app.theme',
      title: 'Change the theme…',
      group: 'Window',
      icon: Contrast,
      argument: { name: 'theme', choices: () => THEMES.map(({ theme, word }) => ({ value: theme, label: word })) },
      run: (theme) => {
        if (theme !== undefined) prefs.setTheme(theme as Theme);
      },
    },
    { id: 'app.palette', title: 'Search or run', word: 'run', group: 'Window', keys: ['Ctrl+K'], keyOnly: true, run: () => show('palette') },
    { id: 'app.line', title: 'Command line', group: 'Window', icon: Terminal, keys: [':'], run: () => show('line') },
    { id: 'app.keys', title: 'All keys', word: 'all keys', group: 'Window', icon: Keyboard, keys: ['?'], run: () => show('keys') },
    { id: 'app.quit', title: 'Quit Plumbline', group: 'Window', icon: LogOut, keys: ['Ctrl+Q'], run: () => void api.quit().catch((thrown: unknown) => shared.toasts.fail(thrown)) },
  ];
}

const CHOICES_MAX = 50;

async function nodesLike(shared: Session, fleet: string, typed: string): Promise<{ value: string; label: string; detail: string }[]> {
  // Typed text is looked for as it stands, so what the filter line would read as grammar is left out.
  const text = typed.replace(/["!:]/g, '').replace(/^-[fl]\s*/, '');
  const view = await shared.api.fleetOverview(fleet, { filter: text, sort: 'name', descending: false, offset: 0, limit: CHOICES_MAX });
  return view.rows.map((row) => ({ value: row.id, label: row.id, detail: row.state.replace('_', ' ') }));
}
