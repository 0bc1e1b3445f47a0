import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const heading = (name: string | RegExp) => page.getByRole('heading', { name });

describe('every screen and state is accessible', () => {
  const states: [string, Parameters<typeof openWindow>[0], () => unknown][] = [
    ['first run', { fleet: null }, () => page.getByRole('button', { name: 'Open the demo fleet' })],
    ['fleet', {}, () => page.getByRole('grid', { name: 'Nodes' })],
    ['fleet, light', { theme: 'light' }, () => page.getByRole('grid', { name: 'Nodes' })],
    ['fleet, high contrast', { theme: 'contrast' }, () => page.getByRole('grid', { name: 'Nodes' })],
    ['fleet of 10,000', { fleet: 'edge-world' }, () => page.getByRole('grid', { name: 'Nodes' })],
    ['fleet, empty', { fleet: 'fresh' }, () => page.getByText('This fleet has no nodes yet')],
    ['fleet, loading', { fleet: 'never-answers' }, () => page.getByRole('status', { name: 'Loading the fleet' })],
    ['fleet, failed', { fleet: 'unreadable-store' }, () => page.getByText(/^The cache could not be read: database disk image is malformed/)],
    ['fleet, stale and noticed', { fleet: 'all-dead', notices: ['A damaged file was set aside'] }, () => page.getByText(/The last known fleet/)],
    ['fleet, nothing matches', { hash: 'fleet?filter=zzz' }, () => page.getByText('No node matches the filter')],
    ['node', { hash: 'fleet?node=fra-pay-2' }, () => page.getByRole('button', { name: 'Roll back…' })],
    ['node, refused', { hash: 'fleet?node=fra-pay-1' }, () => page.getByRole('region', { name: 'Verification' })],
    ['node, refused, high contrast', { hash: 'fleet?node=fra-pay-1', theme: 'contrast' }, () => page.getByRole('region', { name: 'Way back' })],
    ['node, light', { hash: 'fleet?node=osl-pay-2', theme: 'light' }, () => page.getByRole('button', { name: 'Roll back…' })],
    ['node logs', { hash: 'fleet?node=fra-pay-1&tab=logs' }, () => page.getByText('swap finished')],
    ['node raw', { hash: 'fleet?node=fra-pay-2&tab=raw' }, () => page.getByRole('heading', { name: '/readyz' })],
    ['node policies', { hash: 'fleet?node=fra-pay-2&tab=policies' }, () => page.getByRole('region', { name: /24 policies/ })],
    ['drift', { hash: 'drift' }, () => page.getByRole('region', { name: /side by side/ })],
    ['drift, light', { hash: 'drift', theme: 'light' }, () => page.getByRole('region', { name: /side by side/ })],
    ['drift, high contrast', { hash: 'drift', theme: 'contrast' }, () => page.getByRole('region', { name: /side by side/ })],
    ['drift, moments', { hash: 'drift?past=yes', theme: 'light' }, () => page.getByRole('option', { name: /v41/ })],
    ['node, high contrast', { hash: 'fleet?node=fra-pay-2', theme: 'contrast' }, () => page.getByRole('button', { name: 'Roll back…' })],
    ['drift, failed', { hash: 'drift', fleet: 'unreadable-store' }, () => page.getByText(/^The cache could not be read: database disk image/)],
    ['settings', { hash: 'settings' }, () => page.getByRole('region', { name: 'Credentials' })],
    ['settings, high contrast', { hash: 'settings', theme: 'contrast' }, () => page.getByRole('region', { name: 'Bundles of demo' })],
    ['settings, light', { hash: 'settings', theme: 'light', keyringProblem: 'no Secret Service' }, () => page.getByText('no Secret Service', { exact: true })],
    ['import', { hash: 'settings?import=new' }, () => page.getByRole('dialog', { name: /Import nodes/ })],
    ['help, high contrast', { hash: 'help', theme: 'contrast' }, () => page.getByRole('heading', { name: 'Getting started' })],
    ['help', { hash: 'help' }, () => page.getByRole('heading', { name: 'Getting started' })],
    ['hostile names', { fleet: 'hostile', hash: 'fleet?node=plain-1' }, () => page.getByText('<img src=x onerror=alert(1)>').first()],
  ];
  it.each(states)('%s', async (_name, options, seen) => {
    await openWindow(options);
    await expect.element(seen() as ReturnType<typeof heading>).toBeVisible();
    await expectAccessible();
  });
});

describe('verification', () => {
  it('is asked for by the filter and told check by check', async () => {
    await openWindow({ hash: 'fleet?filter=verified:no' });
    await expect.element(heading('2 nodes')).toBeVisible();
    await page.getByText('fra-pay-1').first().click();
    const part = page.getByRole('region', { name: 'Verification' });
    await expect.element(part.getByText('27 checks: 2 failed, 21 passed, 4 not made')).toBeVisible();
    await expect.element(part.getByText('identity.san', { exact: true })).toBeVisible();
    await expect.element(part.getByText('4 failures in a row')).toBeVisible();
    await expect.element(page.getByRole('region', { name: 'Way back' }).getByText('ready', { exact: true })).toBeVisible();
  });

  it('warns of reloads without a credential, and names those not started here', async () => {
    await openWindow({ hash: 'fleet?node=fra-pay-2' });
    await expect.element(page.getByRole('img', { name: 'Reload needs no credential' }).first()).toBeVisible();
    await expect.element(page.getByRole('region', { name: 'Reload history' }).getByText(/\d+ not started here/).first()).toBeVisible();
  });
});

describe('the frame', () => {
  it('shows only screens that exist', async () => {
    await openWindow();
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    const links = page.getByRole('navigation', { name: 'Screens' }).getByRole('link').elements();
    // Some count beside their word.
    expect(links.map((link) => /^\s*([A-Z][a-z]+)/.exec(link.textContent ?? '')?.[1])).toEqual(['Fleet', 'Drift', 'Rollouts', 'Alerts', 'Runbooks', 'History', 'Evidence', 'Settings', 'Help']);
  });

  it('opens screens by digits, and nothing while somebody types', async () => {
    await openWindow();
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    await userEvent.keyboard('/22');
    await expect.element(page.getByRole('textbox', { name: 'Filter nodes' })).toHaveValue('22');
    await userEvent.keyboard('{Escape}2');
    await expect.element(heading('Drift')).toBeVisible();
  });

  it('leaves the filter with Escape also where nothing matches', async () => {
    await openWindow({ hash: 'fleet?filter=zzz' });
    await expect.element(page.getByText('No node matches the filter')).toBeVisible();
    await page.getByRole('textbox', { name: 'Filter nodes' }).click();
    await userEvent.keyboard('{Escape}2');
    await expect.element(heading('Drift')).toBeVisible();
  });

  it('switches fleets', async () => {
    await openWindow();
    await page.getByRole('button', { name: 'Fleet: demo' }).click();
    await page.getByRole('menuitemradio', { name: /payments-eu/ }).click();
    await expect.element(page.getByRole('heading', { name: '1,200 nodes' })).toBeVisible();
  });

  it('runs actions from the palette and completes their argument', async () => {
    await openWindow();
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    await userEvent.keyboard('{Control>}k{/Control}');
    await userEvent.keyboard('open node{Enter}osl-pay-1');
    await expect.element(page.getByRole('option', { name: /osl-pay-1/ })).toBeVisible();
    await expectAccessible();
    await userEvent.keyboard('{Enter}');
    await expect.element(page.getByRole('complementary', { name: 'Node osl-pay-1' })).toBeVisible();
  });

  it('obeys the command line', async () => {
    await openWindow();
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    await userEvent.keyboard(':nodes state:behind{Enter}');
    await expect.element(heading('2 nodes')).toBeVisible();
  });

  it('tells the keys of the screen', async () => {
    await openWindow();
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    await userEvent.keyboard('?');
    await expect.element(page.getByRole('dialog', { name: 'Keys that work here' })).toBeVisible();
    await expectAccessible();
    await userEvent.keyboard('{Escape}');
    await expect.element(page.getByRole('dialog')).not.toBeInTheDocument();
  });

  it('fits 1280 by 800 without scrolling', async () => {
    await openWindow({ hash: 'fleet?node=fra-pay-2' });
    await expect.element(page.getByRole('button', { name: 'Roll back…' })).toBeVisible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });
});
