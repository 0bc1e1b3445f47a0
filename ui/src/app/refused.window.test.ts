//! Refused content: seen, refused, signed, pushed, and signed clean by a quorum.
import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const button = (name: string | RegExp) => page.getByRole('button', { name });
const region = (name: string) => page.getByRole('region', { name });
const apply = () => userEvent.keyboard('{Control>}{Enter}{/Control}');
const HASH = 'rollouts?refused=list';

describe('every state of refused content is accessible', () => {
  it.each([
    ['nothing, without a roster', { hash: HASH }, /Nothing is refused in this fleet/],
    ['some, without a roster', { hash: HASH, refused: true, theme: 'light' }, /2 contents are refused by this console only/],
    ['some of them signed', { hash: HASH, refused: true, consent: 'open', theme: 'contrast' }, /refused here does not stand in it/],
    ['read-only', { hash: HASH, refused: true, consent: 'open', fleet: 'auditors-view' }, /refused here does not stand in it/],
    ['failed', { hash: HASH, fleet: 'unreadable-store' }, /database disk image is malformed/],
  ] as const)('%s', async (_name, options, seen) => {
    await openWindow(options);
    await expect.element(page.getByText(seen).first()).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });
});

describe('a run that took content back', () => {
  const run = () => region('Refused from now on');

  it('says that nobody but this console refuses it, and what is to be done', async () => {
    await openWindow({ hash: 'rollouts?run=r-0193', refused: true, consent: 'open', runs: 'past', tickMs: 1_000_000 });
    await expect.element(run().getByText('by this console only: it stands in no signed list')).toBeVisible();
    await expect.element(run().getByText(/plumb refused add --fleet demo --key FILE, then plumb refused push --fleet demo/)).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });

  const signed = async () => {
    await openWindow({ hash: 'rollouts?run=r-0193&refused=list', refused: true, consent: 'open', runs: 'past', tickMs: 1_000_000 });
    await button('Sign version 5…').click();
    await apply();
    await expect.element(region('The signed list').getByText('5', { exact: true })).toBeVisible();
  };

  it('names the list that was signed, and who was not told of it', async () => {
    await signed();
    await userEvent.keyboard('{Escape}');
    await expect.element(run().getByText(/by version 5 of the signed list, which 0 nodes of this run hold/)).toBeVisible();
    await expect.element(run().getByText(/Without this list, though they could hold it/)).toBeVisible();
    await expect.element(run().getByText(/send the list to whoever misses it: plumb refused push --fleet demo/i)).toBeVisible();
  });

  it('names who holds the list that was pushed, and who cannot enforce it', async () => {
    await signed();
    await button(/^Push to every agent/).click();
    await expect.element(region('Who enforces it').getByText(/^Version 5 was taken by/)).toBeVisible();
    await userEvent.keyboard('{Escape}');
    await expect.element(run().getByText(/by version 5 of the signed list, which [1-9]\d* nodes of this run hold/)).toBeVisible();
    await expect.element(run().getByText(/Cannot enforce a list, so only consoles keep the content from/)).toBeVisible();
  });
});

describe('a content', () => {
  it('is refused with a reason, signed for everybody, and pushed to the agents', async () => {
    const { changes } = await openWindow({ hash: 'rollouts', consent: 'open' });
    await button('Refused content').click();
    await expect.element(button(/^Push to every agent/)).toBeDisabled();
    await userEvent.keyboard('n');
    await dialog().getByRole('combobox', { name: 'Content' }).selectOptions('Another, by its digest…');
    await dialog().getByRole('textbox', { name: 'Content digest' }).fill('beef');
    await expect.element(dialog().getByText('A content digest has 64 digits from 0 to 9 and a to f.')).toBeVisible();
    await expectAccessible();
    await dialog().getByRole('textbox', { name: 'Content digest' }).fill('0a'.repeat(32));
    await apply();
    expect(changes).toEqual([]);
    await dialog().getByRole('textbox', { name: 'Why' }).fill('INC-2240: denies every refund');
    await dialog().getByText('Sign the list for everybody').click();
    await dialog().getByRole('combobox', { name: 'Sign with' }).selectOptions('sam');
    await expectAccessible();
    await apply();
    await expect.element(region('Refused now').getByText('INC-2240: denies every refund')).toBeVisible();
    await expect.element(region('The signed list').getByText('sam', { exact: true })).toBeVisible();
    await button(/^Push to every agent/).click();
    await expect.element(region('Who enforces it').getByText(/^Version 1 was taken by \d+ nodes\.$/)).toBeVisible();
    await expectAccessible();
    expect(changes).toEqual(['refuse', 'pushRefused']);
  });

  it('that a rollout took back is put on the list by one signature, and its run is one click away', async () => {
    const { changes } = await openWindow({ hash: HASH, refused: true, consent: 'open', runs: 'past', tickMs: 1_000_000 });
    await button('Sign version 5…').click();
    await expect.element(dialog().getByText(/rolled back: the gate of wave 1 stays shut/)).toBeVisible();
    await expectAccessible();
    await apply();
    await expect.element(region('The signed list').getByText('5', { exact: true })).toBeVisible();
    expect(region('Refused now').getByText('not yet, here only').elements()).toEqual([]);
    await button('Show run r-0193').click();
    await expect.element(page.getByRole('article', { name: 'Run r-0193' })).toBeVisible();
    expect(changes).toEqual(['refuse']);
  });
});

describe('signing clean', () => {
  it('takes a reason and a place for those who sign next, and one signature lifts nothing', async () => {
    const { changes } = await openWindow({ hash: HASH, refused: true, consent: 'open' });
    await region('Refused now').getByRole('button', { name: /^Sign clean… 41d0aa93e6f7/ }).click();
    await dialog().getByRole('textbox', { name: 'Why it is clean' }).fill('rebuilt twice, bit for bit');
    await apply();
    expect(changes).toEqual([]);
    await dialog().getByRole('textbox', { name: 'Save it for those who sign next as' }).fill('/home/ops/clearing.json');
    await expectAccessible();
    await apply();
    await expect.element(page.getByText('41d0aa93e6f7 is signed by sam. It misses 1 more of platform-security. Saved as /home/ops/clearing.json')).toBeVisible();
    await expect.element(region('Refused now').getByText('41d0aa93e6f7')).toBeVisible();
    expect(changes).toEqual(['clearRefused']);
  });

  it('is finished by the one who is missing, who sees first what they sign', async () => {
    const { changes } = await openWindow({ hash: HASH, refused: true, consent: 'open' });
    await button(/^Sign one that somebody sent/).click();
    const path = dialog().getByRole('textbox', { name: 'Clearing that you were sent' });
    await path.fill('/nope.json');
    await dialog().getByRole('button', { name: 'Open the clearing' }).click();
    await expect.element(dialog().getByRole('alert')).toHaveTextContent(/no such file/);
    await path.fill('/home/ops/clearing-sam.json');
    await dialog().getByRole('button', { name: 'Open the clearing' }).click();
    await expect.element(dialog().getByText('1 more of platform-security')).toBeVisible();
    await dialog().getByRole('combobox', { name: 'Sign with' }).selectOptions('A key file…');
    await dialog().getByRole('textbox', { name: 'Key file' }).fill('/keys/jo.pem');
    await dialog().getByLabelText('Passphrase').fill('open sesame');
    await expectAccessible();
    await apply();
    await expect.element(region('Signed clean').getByText(/by jo, sam/).first()).toBeVisible();
    await expect.poll(() => region('Refused now').getByText('41d0aa93e6f7').elements()).toEqual([]);
    expect(changes).toEqual(['signClearing']);
  });

  it('is not offered where nobody can sign', async () => {
    await openWindow({ hash: HASH, refused: true });
    await expect.element(region('Refused now').getByRole('button', { name: /^Sign clean… 41d0aa93e6f7/ })).toBeDisabled();
  });

  it('is not there where nothing may be changed', async () => {
    await openWindow({ hash: HASH, refused: true, consent: 'open', fleet: 'auditors-view' });
    await expect.element(region('Refused now').getByText('41d0aa93e6f7')).toBeVisible();
    for (const name of [/clean/, /^Take a list/, /^Refuse a content/, /^Push/]) expect(button(name).elements()).toEqual([]);
  });
});

describe('a list that somebody sent', () => {
  it('is taken where it is newer, and refused where it is older', async () => {
    await openWindow({ hash: HASH, refused: true, consent: 'open' });
    await button(/^Take a list/).click();
    const path = dialog().getByRole('textbox', { name: 'Signed list' });
    await path.fill('/home/ops/refused-1.json');
    await apply();
    await expect.element(dialog().getByRole('alert')).toHaveTextContent(/older than version 4/);
    await path.fill('/home/ops/refused-9.json');
    await expectAccessible();
    await apply();
    await expect.element(region('The signed list').getByText('9', { exact: true })).toBeVisible();
  });
});
