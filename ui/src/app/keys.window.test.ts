//! My signing keys in Settings: seen, made, taken; their private halves never.
import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const card = () => page.getByRole('region', { name: 'My signing keys' });
const row = (name: RegExp) => card().getByRole('row', { name });
const apply = () => userEvent.keyboard('{Control>}{Enter}{/Control}');

describe('my keys', () => {
  it('are listed with whose they are by the roster, and copied by their public half only', async () => {
    await openWindow({ hash: 'settings', consent: 'open' });
    await expect.element(row(/^sam/)).toHaveTextContent(/sam, storage.*keyring/);
    await expect.element(card().getByText(/asked for as/)).toHaveTextContent('Changes of demo are asked for as mira.');
    await expectAccessible();
    await row(/^sam/).getByRole('button', { name: 'Copy public key of sam as PEM' }).click();
    await expect.element(page.getByText(/^(Copied|Could not copy) the public key of sam as PEM$/)).toBeVisible();
  });

  it('are no one where no roster rules the fleet, and none at all on a fresh machine', async () => {
    await openWindow({ hash: 'settings', keyless: true, theme: 'light' });
    await expect.element(card().getByText('This machine has no key of yours')).toBeVisible();
    await expectAccessible();
    await card().getByRole('button', { name: 'Make a key…' }).click();
    await dialog().getByRole('textbox', { name: 'Name of the key on this machine' }).fill('mira');
    await expectAccessible();
    await apply();
    await expect.element(row(/^mira/)).toHaveTextContent(/no roster here.*keyring/);
  });

  it('are made in a file under a passphrase that is typed twice, and that the page forgets', async () => {
    const { changes } = await openWindow({ hash: 'settings', consent: 'open', keyringProblem: 'no Secret Service on this machine' });
    await card().getByRole('button', { name: 'Make a key…' }).click();
    // Without a keyring a file is what is offered first.
    await dialog().getByRole('textbox', { name: 'Name of the key on this machine' }).fill('tove');
    await dialog().getByRole('textbox', { name: 'Key file' }).fill('/home/ops/keys/tove.pem');
    await dialog().getByRole('textbox', { name: 'Passphrase' }).fill('correct horse');
    await dialog().getByLabelText('The same again').fill('correct house');
    await expect.element(dialog().getByText('The two passphrases differ.').first()).toBeVisible();
    await apply();
    expect(changes).toEqual([]);
    await dialog().getByLabelText('The same again').fill('correct horse');
    await expectAccessible();
    await apply();
    await expect.element(row(/^tove/)).toHaveTextContent(/not in the roster.*\/home\/ops\/keys\/tove\.pem/);
    expect(changes).toEqual(['makeKey']);
  });

  it('are taken from a file with the passphrase that opens it', async () => {
    const { changes } = await openWindow({ hash: 'settings', consent: 'open' });
    await card().getByRole('button', { name: 'Take one from a file…' }).click();
    await dialog().getByRole('textbox', { name: 'Key file' }).fill('/keys/robin.pem');
    await dialog().getByRole('textbox', { name: 'Name of the key on this machine' }).fill('robin-usb');
    const passphrase = dialog().getByLabelText('Passphrase');
    await passphrase.fill('wrong');
    await apply();
    await expect.element(dialog().getByRole('alert')).toHaveTextContent(/the passphrase is another/);
    await expect.element(passphrase).toHaveValue('');
    await passphrase.fill('open sesame');
    await expectAccessible();
    await apply();
    await expect.element(row(/^robin-usb/)).toHaveTextContent(/robin, platform-security/);
    expect(changes).toEqual(['takeKey', 'takeKey']);
  });
});
