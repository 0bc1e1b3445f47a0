//! What stands beside a plan: its dry run, and what is ready before a change.
import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const dryRun = () => page.getByRole('region', { name: 'Dry run' });
const readiness = () => page.getByRole('region', { name: 'Readiness' });
const apply = () => userEvent.keyboard('{Control>}{Enter}{/Control}');
const STILL = 1_000_000;

async function review(options: Parameters<typeof openWindow>[0] = {}) {
  const calls = await openWindow({ hash: 'rollouts?step=new', tickMs: STILL, ...options });
  await page.getByRole('textbox', { name: 'Soak' }).fill('0');
  await apply();
  await expect.element(dryRun()).toBeVisible();
  return calls;
}

describe('a dry run', () => {
  it('asks every node of the plan when somebody wants it, and names those that would not go', async () => {
    const { changes } = await review();
    await expect.element(dryRun().getByText(/No node was asked yet/)).toBeVisible();
    await expectAccessible();
    await dryRun().getByRole('button', { name: 'Dry run' }).click();
    await expect.element(dryRun().getByRole('status')).toHaveTextContent(/1 node would not go as planned|nodes would not go as planned/);
    await expect.element(dryRun().getByRole('list', { name: 'Nodes that would not go as planned' }).getByRole('listitem').first()).toHaveTextContent(/says that it is not ready/);
    await expectAccessible();
    await expect.element(dryRun().getByRole('button', { name: 'Ask again' })).toBeEnabled();
    expect(changes).toEqual(['dryRun']);
  });

  it.each(['light', 'contrast'])('of nodes that all would go says so, %s', async (theme) => {
    await openWindow({ hash: 'fleet?node=osl-gw-2', consent: 'asked', theme });
    await expect.element(page.getByRole('complementary', { name: 'Node osl-gw-2' })).toBeVisible();
    await userEvent.keyboard('s');
    await dryRun().getByRole('button', { name: 'Dry run' }).click();
    await expect.element(dryRun().getByText(/Every node would go as planned/)).toBeVisible();
    await expectAccessible();
  });
});

describe('readiness', () => {
  it('requires nothing where no roster rules, and takes a link', async () => {
    const { changes } = await review();
    await expect.element(readiness().getByText('No roster rules this fleet: nothing is required.')).toBeVisible();
    await readiness().getByRole('button', { name: 'Add evidence…' }).click();
    await dialog().getByRole('combobox', { name: 'What is ready' }).selectOptions('alerts that reach whoever is on call');
    await dialog().getByRole('textbox', { name: 'Where it can be looked at' }).fill('oncall.example');
    await apply();
    expect(changes).toEqual([]);
    await dialog().getByRole('textbox', { name: 'Where it can be looked at' }).fill('https://oncall.example/rota');
    await expectAccessible();
    await apply();
    await expect.element(readiness().getByText('https://oncall.example/rota')).toBeVisible();
    expect(changes).toEqual(['linkReadiness']);
  });

  it('names what the roster requires, refuses a link for what must be attested, and takes the attestation', async () => {
    const { changes } = await review({ consent: 'open', theme: 'light' });
    await expect.element(readiness().getByRole('status')).toHaveTextContent('1 required item not shown: nothing but a way back starts before.');
    await expect.element(readiness().getByRole('listitem').first()).toHaveTextContent(/Missing: a runbook signed by Security/);
    await expectAccessible();
    const add = readiness().getByRole('button', { name: 'Add evidence…' });
    await add.click();
    await expect.element(dialog().getByText('Counts when somebody of platform-security attests it.')).toBeVisible();
    await dialog().getByRole('textbox', { name: 'Where it can be looked at' }).fill('https://wiki.example/runbook');
    await apply();
    await expect.element(readiness().getByText('somebody of platform-security must attest it')).toBeVisible();
    await expectAccessible();
    await add.click();
    await dialog().getByText('I attest it').click();
    await dialog().getByRole('textbox', { name: 'What you looked at, and what you found' }).fill('revision 41 covers the halt and the way back');
    await dialog().getByRole('combobox', { name: 'Sign with' }).selectOptions('sam');
    await expectAccessible();
    await apply();
    await expect.element(readiness().getByRole('status')).toHaveTextContent('Everything that the roster requires is shown.');
    expect(changes).toEqual(['linkReadiness', 'attestReadiness']);
  });
});
