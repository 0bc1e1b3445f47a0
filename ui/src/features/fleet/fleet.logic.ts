//! What the Fleet screen says about a view, without drawing it.
import type { DriftStateView, FleetPage, FleetSort, FleetView, NodeRow, VersionShare } from '$lib/api/api';
import { exactly } from '$lib/domain/filter.logic';
import { DRIFTED } from '$lib/domain/states';
import { shortDigest } from '$lib/domain/words.logic';

export const PAGE = 250;

export interface Column {
  sort: FleetSort | null;
  key: string;
  word: string;
  numeric: boolean;
}

export const COLUMNS: readonly Column[] = [
  { sort: 'state', key: 'state', word: 'Drift', numeric: false },
  { sort: 'name', key: 'name', word: 'Node', numeric: false },
  { sort: null, key: 'labels', word: 'Labels', numeric: false },
  { sort: 'version', key: 'version', word: 'Version', numeric: false },
  { sort: 'content', key: 'content', word: 'Content', numeric: false },
  { sort: null, key: 'verified', word: 'Verified', numeric: false },
  { sort: 'digest_age', key: 'digest', word: 'Digest age', numeric: true },
  { sort: 'load_age', key: 'load', word: 'Load age', numeric: true },
  { sort: 'last_reload', key: 'reload', word: 'Last reload', numeric: true },
  { sort: 'latency', key: 'latency', word: 'Latency', numeric: true },
];

const SORTS = new Set<string>(COLUMNS.map((column) => column.sort).filter((sort) => sort !== null));
export const readSort = (text: string | null): FleetSort => (text !== null && SORTS.has(text) ? (text as FleetSort) : 'state');

export function pageFor(filter: string, sort: FleetSort, descending: boolean, page: number): FleetPage {
  return { filter, sort, descending, offset: page * PAGE, limit: PAGE };
}

/** Nodes a sync could mend. */
export function driftedCount(view: FleetView): number {
  return view.counts.filter((entry) => DRIFTED.includes(entry.state)).reduce((sum, entry) => sum + entry.count, 0);
}

export const countOf = (view: FleetView, state: DriftStateView): number => view.counts.find((entry) => entry.state === state)?.count ?? 0;

/** Ids of all nodes in a state, from the matrix, so that no row need be loaded. */
export function idsInState(view: FleetView, ids: readonly string[], code: string): string[] {
  return ids.filter((_, index) => view.matrix.cells.charAt(index) === code);
}

export function matchedIds(view: FleetView, ids: readonly string[]): string[] {
  return ids.filter((_, index) => view.matrix.matched.charAt(index) !== '0');
}

/** The filter line that shows exactly the nodes of a share, where one can be written. */
export function shareFilter(share: VersionShare): string | null {
  const parts = [share.version === null ? null : `version:${exactly(share.version)}`, share.content === null ? null : `content:${shortDigest(share.content)}`].filter((part) => part !== null);
  return parts.length > 0 ? parts.join(' ') : null;
}

const SHARES_MAX = 7;

/** Shares with a segment of their own, and how many nodes the rest holds. */
export function bar(versions: readonly VersionShare[]): { shown: VersionShare[]; restNodes: number; restShares: number } {
  const shown = versions.slice(0, SHARES_MAX);
  const rest = versions.slice(SHARES_MAX);
  return { shown, restNodes: rest.reduce((sum, share) => sum + share.count, 0), restShares: rest.length };
}

export const labelText = (row: NodeRow): string => row.labels.map((label) => label.value).join(' · ');

/** Last reload in few words. */
export function reloadWord(row: NodeRow): { text: string; failed: boolean } {
  if (!row.last_reload) return { text: '–', failed: false };
  return row.last_reload.success ? { text: 'ok', failed: false } : { text: 'failed', failed: true };
}
