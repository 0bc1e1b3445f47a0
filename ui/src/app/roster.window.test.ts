//! The roster in Settings, and which fleets the desktop is told about.
import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { fingerprint } from '$lib/api/fake/roster';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const card = (fleet: string) => page.getByRole('region', { name: `Approver roster of ${fleet}` });
const apply = () => userEvent.keyboard('{Control>}{Enter}{/Control}');

async function open(path: string) {
  await dialog().getByRole('textbox', { name: 'Signed roster' }).fill(path);
  await dialog().getByRole('button', { name: 'Open the roster', exact: true }).click();
}

describe('a first roster', () => {
  it('holds once the fingerprint of each root key was typed as it came another way', async () => {
    const { changes } = await openWindow({ hash: 'settings' });
    await expect.element(card('demo').getByText(/need nobody's consent/)).toBeVisible();
    await card('demo').getByRole('button', { name: 'Enrol a roster…' }).click();
    await open('/home/ops/roster-7.json');
    await expect.element(dialog().getByText('1 of storage, and 1 of platform-security, never whoever asks')).toBeVisible();
    // What the file says of itself proves nothing.
    expect(dialog().getByText(fingerprint('ops').slice(0, 12)).elements()).toEqual([]);
    await expectAccessible();
    const field = (root: string) => dialog().getByRole('textbox', { name: `Fingerprint of root key ${root}` });
    await field('ops').fill(fingerprint('ops'));
    await field('security').fill(`${fingerprint('security').slice(0, 10)} ${fingerprint('security').slice(10, 24)}`);
    await field('vault').fill('beef');
    await expect.element(dialog().getByText('4 digits; at least the first 20 are compared.')).toBeVisible();
    await apply();
    expect(changes).toEqual([]);
    await field('vault').fill(fingerprint('ops'));
    await apply();
    await expect.element(dialog().getByRole('alert')).toHaveTextContent(/Root key vault has another fingerprint/i);
    await field('vault').fill(fingerprint('vault').toUpperCase());
    await field('vault').fill(fingerprint('vault'));
    await apply();
    await expect.element(dialog()).not.toBeInTheDocument();
    await expect.element(card('demo').getByText('version 7')).toBeVisible();
    await expect.element(card('demo').getByText(/2 of 3 must sign/)).toBeVisible();
    await expect.element(card('demo').getByRole('row', { name: /^sam/ })).toHaveTextContent(/storage/);
    await expectAccessible();
    expect(changes).toEqual(['enrolRoster', 'enrolRoster']);
  });

  it('that says nothing about the fleet cannot be enrolled', async () => {
    const { changes } = await openWindow({ hash: 'settings?roster=enrol' });
    await open('/home/ops/other-fleet.json');
    await expect.element(dialog().getByText('It says nothing about demo.').first()).toBeVisible();
    await apply();
    expect(changes).toEqual([]);
    await open('/nope.json');
    await expect.element(dialog().getByRole('alert')).toHaveTextContent(/no such file/);
  });
});

describe('the next roster', () => {
  it('is taken where it is newer, with what it changes, and refused where it is older', async () => {
    const { changes } = await openWindow({ hash: 'settings', consent: 'open' });
    await card('demo').getByRole('button', { name: 'Take a newer version…' }).click();
    await open('/home/ops/roster-6.json');
    await expect.element(dialog().getByText('It is version 6; version 7 holds, and an older one is never taken again.').first()).toBeVisible();
    await expectAccessible();
    await apply();
    expect(changes).toEqual([]);
    await open('/home/ops/roster-8.json');
    await expect.element(dialog().getByRole('list', { name: 'What it changes' })).toHaveTextContent(/It adds tove, storage\..*It changes noor, storage\./);
    await apply();
    await expect.element(card('demo').getByText('version 8')).toBeVisible();
    await expect.element(card('demo').getByRole('row', { name: /^noor/ })).toHaveTextContent(/revoked/);
    expect(changes).toEqual(['enrolRoster']);
  });

  it('is not offered in a read-only fleet', async () => {
    await openWindow({ fleet: 'auditors-view', hash: 'settings?roster=enrol', consent: 'open' });
    await expect.element(card('auditors-view').getByText('version 7')).toBeVisible();
    expect(page.getByRole('button', { name: /^(Enrol|Take a newer)/ }).elements()).toEqual([]);
    expect(dialog().elements()).toEqual([]);
  });
});

describe('notifications of the desktop', () => {
  it('are off for a fleet, and on again', async () => {
    const { changes } = await openWindow({ hash: 'settings' });
    const demo = page.getByRole('region', { name: 'Notifications' }).getByRole('checkbox', { name: 'demo' });
    await expect.element(demo).toBeChecked();
    await demo.click();
    await expect.element(demo).not.toBeChecked();
    await demo.click();
    await expect.element(demo).toBeChecked();
    expect(changes).toEqual(['setQuiet', 'setQuiet']);
  });
});
