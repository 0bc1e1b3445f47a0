import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { createFake } from '$lib/api/fake';
import { expectAccessible, openWindow } from './window.kit';

const grid = () => page.getByRole('grid', { name: 'Nodes' });
const dialog = () => page.getByRole('dialog');

describe('selecting', () => {
  it('marks with Space, ranges with Ctrl+Space, and by state', async () => {
    await openWindow();
    await expect.element(grid()).toBeVisible();
    await userEvent.keyboard(' jj{Control>} {/Control}');
    await expect.element(page.getByText('3 marked').first()).toBeVisible();
    await userEvent.keyboard('{Escape}');
    await userEvent.keyboard('{Control>}k{/Control}mark behind{Enter}');
    await expect.element(page.getByText('2 marked').first()).toBeVisible();
  });

  it('moves through the matrix with the keyboard and opens a node', async () => {
    await openWindow();
    const matrix = page.getByRole('application', { name: /Node matrix/ });
    await expect.element(matrix).toBeVisible();
    // The node list is there, so nothing is drawn anew that the focus would be lost with.
    await expect.element(grid()).toBeVisible();
    (matrix.element() as HTMLElement).focus();
    await expect.element(matrix).toHaveFocus();
    await userEvent.keyboard('{ArrowRight}{ArrowRight}{Enter}');
    await expect.element(page.getByRole('complementary', { name: 'Node fra-pay-1' })).toBeVisible();
  });

  it('filters with a chip and explains a wrong filter', async () => {
    await openWindow();
    await page.getByRole('button', { name: /^Behind/ }).click();
    await expect.element(page.getByRole('textbox', { name: 'Filter nodes' })).toHaveValue('state:behind');
    await page.getByRole('textbox', { name: 'Filter nodes' }).fill('state:broken');
    await expect.element(page.getByText(/a state is one of tampered/)).toBeVisible();
  });
});

describe('the ladder of confirmation', () => {
  it('starts one reversible node at once, shows it in flight, then arrived, and offers the exact undo', async () => {
    const { changes } = await openWindow({ hash: 'fleet?node=osl-gw-2' });
    await expect.element(page.getByRole('button', { name: 'Sync', exact: true })).toBeVisible();
    await userEvent.keyboard('s');
    await expect.element(page.getByText('Sync osl-gw-2 to v42: 1 of 1 arrived')).toBeVisible();
    expect(changes).toEqual(['startRun']);
    await userEvent.keyboard('u');
    await expect.poll(() => changes).toEqual(['startRun', 'startRun']);
  });

  it('shows a plan for many nodes; plain Enter does nothing, Ctrl+Enter applies once', async () => {
    const { changes } = await openWindow();
    await page.getByRole('button', { name: 'Plan sync of 6 drifted' }).click();
    await expect.element(dialog()).toBeVisible();
    await expect.element(dialog().getByText('plumb --fleet demo policy sync --drifted')).toBeVisible();
    await expectAccessible();
    await userEvent.keyboard('{Enter}');
    expect(changes).toEqual([]);
    await userEvent.keyboard('{Control>}{Enter}{Enter}{/Control}');
    await expect.element(page.getByRole('region', { name: /^Run r-/ })).toBeVisible();
    expect(changes).toEqual(['startRun']);
    await expectAccessible();
    await expect.element(page.getByText('succeeded').or(page.getByText('incomplete'))).toBeVisible();
  });

  it('asks for the phrase in production', async () => {
    const { changes } = await openWindow({ fleet: 'payments-eu' });
    await page.getByRole('button', { name: /Plan sync of/ }).click();
    const field = dialog().getByRole('textbox', { name: /^Type payments-eu/ });
    await field.fill('payments-eu 1');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    expect(changes).toEqual([]);
    const phrase = /Type (.+) to go on/.exec(field.element().getAttribute('aria-label') ?? '')?.[1] ?? '';
    await field.fill(phrase);
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.poll(() => changes).toEqual(['startRun']);
  });

  it('preselects nothing in a rollback, and names what stands in the way', async () => {
    const { changes } = await openWindow({ hash: 'fleet?node=osl-gw-1' });
    await page.getByRole('button', { name: 'Roll back…' }).click();
    await expect.element(dialog()).toBeVisible();
    expect(dialog().getByRole('radio').elements().filter((radio) => (radio as HTMLInputElement).checked)).toEqual([]);
    await dialog().getByRole('radio', { name: /Last known good/ }).click();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(dialog().getByText('v42 is not on this node')).toBeVisible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    expect(changes).toEqual([]);
  });

  it('aborts a run: what has not begun is skipped, never called arrived', async () => {
    await openWindow({ tickMs: 60_000 });
    await page.getByRole('button', { name: 'Plan sync of 6 drifted' }).click();
    await expect.element(dialog()).toBeVisible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await page.getByRole('button', { name: 'Abort' }).click();
    await expect.element(page.getByText('aborted', { exact: true })).toBeVisible();
    await expect.element(page.getByText('0 of 6 arrived')).toBeVisible();
  });

  it('tells why a node cannot be asked', async () => {
    const { changes } = await openWindow({ hash: 'fleet?node=fra-opa-1' });
    await expect.element(page.getByText(/An unmodified OPA takes bundles/).last()).toBeVisible();
    await userEvent.keyboard('s');
    expect(changes).toEqual([]);
    await expect.element(dialog()).not.toBeInTheDocument();
  });
});

describe('a read-only fleet', () => {
  it('has no changing actions, on no screen, by no key', async () => {
    const { changes } = await openWindow({ fleet: 'auditors-view' });
    await expect.element(grid()).toBeVisible();
    await userEvent.keyboard('{Enter}');
    await expect.element(page.getByRole('button', { name: 'Diff' })).toBeVisible();
    for (const name of [/^(plan )?sync/i, /^pin/i, /^roll back/i, /^restart/i]) expect(page.getByRole('button', { name }).elements()).toEqual([]);
    await userEvent.keyboard('sp');
    await userEvent.keyboard('{Control>}k{/Control}sync');
    await expect.element(page.getByText('Nothing matches.').or(page.getByRole('option').first())).toBeVisible();
    expect(page.getByRole('option', { name: /^(Sync|Pin|Roll back|Restart)/ }).elements()).toEqual([]);
    await userEvent.keyboard('{Escape}2');
    await expect.element(page.getByRole('heading', { name: 'Drift' })).toBeVisible();
    expect(page.getByRole('button', { name: /plan sync/i }).elements()).toEqual([]);
    expect(changes).toEqual([]);
  });
});

describe('drift', () => {
  it('finds the diverged node by its diff and plans from there', async () => {
    const { changes } = await openWindow({ hash: 'drift' });
    await page.getByRole('button', { name: /e81b7c55d09a/ }).click();
    await expect.element(page.getByRole('option', { name: /key.export.*changed/ })).toBeVisible();
    await expect.element(page.getByRole('button', { name: 'fra-pay-1' })).toBeVisible();
    await userEvent.keyboard('s');
    await expect.poll(() => changes).toEqual(['startRun']);
  });

  it('says when the baseline is what a group runs', async () => {
    await openWindow({ hash: 'drift' });
    await page.getByRole('button', { name: /6 nodes/ }).first().click();
    await expect.element(page.getByText('Group A runs exactly the baseline')).toBeVisible();
    await expectAccessible();
  });
});

describe('a moment in the past', () => {
  it('is chosen by keys alone and becomes the baseline', async () => {
    await openWindow({ hash: 'drift' });
    await expect.element(page.getByRole('button', { name: /^baseline desired/ })).toBeVisible();
    await userEvent.keyboard('m');
    await expect.element(dialog().getByRole('option', { name: /v41/ })).toBeVisible();
    await expectAccessible();
    await userEvent.keyboard('osl');
    await expect.element(dialog().getByRole('option', { name: /v41.*osl/ })).toBeVisible();
    await userEvent.keyboard('{ArrowDown}{Enter}');
    await expect.element(dialog()).not.toBeInTheDocument();
    await expect.element(page.getByRole('button', { name: /^baseline osl-\S+ at 2026-/ })).toBeVisible();
  });

  it('whose policies are gone says so and is not chosen', async () => {
    await openWindow({ hash: 'drift?past=yes' });
    const gone = dialog().getByRole('option', { name: /policies not kept/ });
    await gone.click({ force: true });
    await expect.element(dialog()).toBeVisible();
    expect(gone.element().getAttribute('aria-disabled')).toBe('true');
  });
});

describe('runs', () => {
  it('that another process carries out are picked up, followed and told', async () => {
    const { api } = await openWindow();
    await expect.element(grid()).toBeVisible();
    const plan = await api.preparePlan('demo', { kind: 'sync', nodes: { select: 'drifted' }, force: false });
    await api.startRun('demo', plan.hash, null, null);
    await expect.element(page.getByRole('region', { name: /^Run r-/ })).toBeVisible();
    await expect.element(page.getByText(/of 6 arrived/).first()).toBeVisible();
  });

  it('are picked up by a window that opens while one goes on', async () => {
    const api = createFake({ fleet: 'demo', tickMs: 60_000 });
    const plan = await api.preparePlan('demo', { kind: 'sync', nodes: { select: 'drifted' }, force: false });
    await api.startRun('demo', plan.hash, null, null);
    await openWindow({ api });
    await expect.element(page.getByRole('region', { name: /^Run r-/ })).toBeVisible();
    await expect.element(page.getByRole('button', { name: 'Abort' })).toBeVisible();
  });

  it('of before are listed and looked at without being told again', async () => {
    const api = createFake({ fleet: 'demo', tickMs: 1 });
    const plan = await api.preparePlan('demo', { kind: 'sync', nodes: { select: 'nodes', ids: ['osl-gw-2'] }, force: false });
    const run = await api.startRun('demo', plan.hash, null, null);
    await expect.poll(async () => (await api.run(run.id)).ended_at_ms).not.toBeNull();
    await openWindow({ api });
    await expect.element(grid()).toBeVisible();
    await page.getByRole('button', { name: 'Runs', exact: true }).click();
    await expect.element(dialog().getByRole('option', { name: /Sync osl-gw-2 to v42/ })).toBeVisible();
    await expectAccessible();
    await userEvent.keyboard('{Enter}');
    await expect.element(page.getByRole('region', { name: `Run ${run.id}` })).toBeVisible();
    expect(page.getByRole('button', { name: /^Undo/ }).elements()).toEqual([]);
  });
});

describe('settings', () => {
  it('takes the path of a fleet file from the system dialog', async () => {
    const { changes } = await openWindow({ hash: 'settings?add=yes' });
    await dialog().getByRole('button', { name: 'Choose…' }).click();
    await expect.element(dialog().getByLabelText('Path of the fleet file')).toHaveValue('/home/ops/fleets/payments-eu.toml');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.poll(() => changes).toEqual(['addFleet']);
  });

  it('imports a chosen file and saves the new fleet where it was chosen', async () => {
    const saved: unknown[] = [];
    const fake = createFake({ fleet: 'demo' });
    const api = { ...fake, saveImport: (...given: Parameters<typeof fake.saveImport>) => (saved.push(given[2]), fake.saveImport(...given)) };
    await openWindow({ api, hash: 'settings?import=new' });
    await dialog().getByLabelText('Name of the fleet').fill('fresh');
    await dialog().getByRole('button', { name: 'Choose a file…' }).click();
    await expect.element(dialog().getByRole('textbox', { name: 'Nodes' })).toHaveValue('[{"targets":["fra-gw-1:8443","new-1:8443"]}]');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await dialog().getByRole('button', { name: 'Choose…' }).click();
    await expect.element(dialog().getByLabelText('File of the new fleet')).toHaveValue('/home/ops/fleets/fresh.toml');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.poll(() => saved).toEqual(['/home/ops/fleets/fresh.toml']);
  });

  it('stores a secret without ever showing it', async () => {
    const { changes } = await openWindow({ hash: 'settings' });
    await page.getByRole('button', { name: 'Set the secret of edge' }).click();
    const field = dialog().getByLabelText('Token');
    expect(field.element().getAttribute('type')).toBe('password');
    await field.fill('hunter2-token');
    await expectAccessible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText('Stored the secret of edge in the keyring')).toBeVisible();
    expect(changes).toEqual(['setSecret']);
    expect(document.documentElement.outerHTML).not.toContain('hunter2-token');
  });

  it('shows an import before it is saved', async () => {
    const { changes } = await openWindow({ hash: 'settings?import=demo' });
    await dialog().getByRole('textbox', { name: 'Nodes' }).fill('[{"targets":["fra-gw-1:8443","new-1:8443"]}]');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(dialog().getByText('11 removed')).toBeVisible();
    await expectAccessible();
    expect(changes).toEqual([]);
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.poll(() => changes).toEqual(['saveImport']);
  });

  it('names line and field of a bad fleet file', async () => {
    await openWindow({ hash: 'settings?add=yes' });
    await dialog().getByLabelText('Path of the fleet file').fill('/etc/other.toml');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(dialog().getByText(/line 3, field/)).toBeVisible();
  });

  it('changes the theme', async () => {
    await openWindow({ hash: 'settings' });
    await page.getByRole('radio', { name: 'High contrast' }).click();
    expect(document.documentElement.dataset['theme']).toBe('contrast');
  });
});

describe('first run', () => {
  it('opens the demo fleet', async () => {
    await openWindow({ fleet: null });
    await page.getByRole('button', { name: /Open the demo fleet/ }).click();
    await expect.element(grid()).toBeVisible();
  });
});

describe('hostile answers', () => {
  it('are text, never markup', async () => {
    await openWindow({ fleet: 'hostile' });
    await expect.element(page.getByText('<img src=x onerror=alert(1)>').first()).toBeVisible();
    expect(document.querySelectorAll('img, script[src=""], b > script')).toHaveLength(0);
    await expect.element(page.getByText('v42\\u202e\\u0007<b>').first()).toBeVisible();
  });
});
