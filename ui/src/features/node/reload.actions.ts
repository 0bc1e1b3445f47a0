import ChartColumn from '@lucide/svelte/icons/chart-column';
import type { ReloadView } from '$lib/api/api';
import type { Action } from '$lib/state/commands.svelte';
import type { Session } from '$lib/state/session';
import { reloadsCli, reloadsCsv } from './node.logic';

export type CopyAs = 'svg' | 'csv' | 'cli' | 'file';

/** The forms the reload history leaves the window in. */
export const CHART_COPIES: readonly { value: CopyAs; key: string; label: string; detail: string }[] = [
  { value: 'svg', key: 'svg', label: 'Picture', detail: 'SVG' },
  { value: 'csv', key: 'csv', label: 'Attempts', detail: 'CSV' },
  { value: 'cli', key: 'cli', label: 'Command line', detail: 'CLI' },
  { value: 'file', key: 'file', label: 'Save the picture…', detail: 'SVG' },
];

export async function copyReloads(shared: Session, fleet: string, node: string, reloads: readonly ReloadView[], as: CopyAs): Promise<void> {
  try {
    if (as === 'csv') await shared.copy(reloadsCsv(reloads), 'the reload history as CSV');
    else if (as === 'cli') await shared.copy(reloadsCli(fleet, node), 'the command line');
    else {
      const svg = await shared.api.chartSvg(fleet, 'reloads', node);
      if (as === 'svg') await shared.copy(svg, 'the reload history as SVG');
      else {
        const path = await shared.api.saveText(`${node}-reloads.svg`, svg);
        if (path !== null) shared.toasts.say(`Saved ${path}`);
      }
    }
  } catch (thrown) {
    shared.toasts.fail(thrown);
  }
}

export function reloadActions(shared: Session, fleet: string, node: string, reloads: readonly ReloadView[]): Action[] {
  return CHART_COPIES.map(({ value, detail }) => ({
    id: `node.reloads-${value}`,
    title: value === 'file' ? 'Save the reload history as SVG…' : `Copy the reload history as ${detail}`,
    group: node,
    icon: ChartColumn,
    run: () => void copyReloads(shared, fleet, node, reloads, value),
  }));
}
