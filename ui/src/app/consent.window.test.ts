import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const button = (name: string | RegExp) => page.getByRole('button', { name });
const approvals = () => page.getByRole('region', { name: 'Approvals' });
const apply = () => userEvent.keyboard('{Control>}{Enter}{/Control}');
const STILL = 1_000_000;

async function review(options: Parameters<typeof openWindow>[0]) {
  const calls = await openWindow({ hash: 'rollouts?step=new', tickMs: STILL, ...options });
  await page.getByRole('textbox', { name: 'Soak' }).fill('0');
  await apply();
  await expect.element(approvals()).toBeVisible();
  return calls;
}

describe('every state of approvals is accessible', () => {
  it.each([
    ['open', 'open', 'dark', /has not asked yet/],
    ['asked', 'asked', 'light', /1 of platform-security/],
    ['partly', 'partly', 'contrast', /for storage/],
    ['refused', 'refused', 'dark', /jo refused/],
    ['void', 'void', 'light', /it does not count/],
    ['night', 'night', 'dark', /Start without approvals/],
  ] as const)('%s', async (_name, consent, theme, seen) => {
    await review({ consent, theme });
    await expect.element(approvals().getByText(seen).first()).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });
});

describe('approvals', () => {
  it('are requested, signed with a kept key and with a key file, and only then the rollout starts', async () => {
    const { changes } = await review({ consent: 'open' });
    await expect.element(button('Start the rollout')).toBeDisabled();
    await approvals().getByRole('button', { name: 'Request approval…' }).click();
    await dialog().getByRole('textbox', { name: 'Save the request as' }).fill('/home/ops/request.json');
    await expectAccessible();
    await apply();
    await expect.element(dialog()).not.toBeInTheDocument();
    await expect.element(approvals().getByText('May approve: sam, noor, jo, robin')).toBeVisible();

    await approvals().getByRole('button', { name: 'Sign…' }).click();
    await expect.element(dialog().getByRole('combobox', { name: 'Sign with' })).toHaveValue('sam');
    await expectAccessible();
    await apply();
    await expect.element(approvals().getByText(/sam approves for storage/)).toBeVisible();

    await approvals().getByRole('button', { name: 'Sign…' }).click();
    await dialog().getByRole('combobox', { name: 'Sign with' }).selectOptions('A key file…');
    await dialog().getByRole('textbox', { name: 'Key file' }).fill('/keys/robin.pem');
    const passphrase = dialog().getByLabelText('Passphrase');
    await passphrase.fill('wrong');
    await apply();
    await expect.element(dialog().getByText(/the passphrase is another/)).toBeVisible();
    await expect.element(passphrase).toHaveValue('');
    await passphrase.fill('open sesame');
    await apply();
    await expect.element(approvals().getByText('Everybody who must consent has consented.')).toBeVisible();
    await expect.element(button('Start the rollout')).toBeEnabled();
    await expect.element(dialog()).not.toBeInTheDocument();
    await apply();
    await expect.element(page.getByRole('article', { name: /^Run r-/ })).toBeVisible();
    expect(changes).toEqual(['askForApproval', 'signHere', 'signHere', 'signHere', 'startRun']);
  });

  it('come from files, and whoever asks cannot give one', async () => {
    await review({ consent: 'partly' });
    await approvals().getByRole('button', { name: 'Sign…' }).click();
    await dialog().getByRole('combobox', { name: 'Sign with' }).selectOptions('mira');
    await apply();
    await expect.element(dialog().getByText(/cannot consent to it/)).toBeVisible();
    await userEvent.keyboard('{Escape}');
    await approvals().getByRole('button', { name: 'Add an answer…' }).click();
    await dialog().getByRole('button', { name: 'Choose…' }).click();
    await expect.element(dialog().getByRole('textbox', { name: 'Signed answer' })).toHaveValue('/home/ops/answer-jo.json');
    await apply();
    await expect.element(approvals().getByText(/jo approves for platform-security/)).toBeVisible();
  });

  it('wait in the list, and the plan is looked at again from there', async () => {
    await review({ consent: 'open' });
    await approvals().getByRole('button', { name: 'Request approval…' }).click();
    await dialog().getByRole('textbox', { name: 'Save the request as' }).fill('/home/ops/request.json');
    await apply();
    await expect.element(dialog()).not.toBeInTheDocument();
    await approvals().getByRole('button', { name: 'Sign…' }).click();
    await apply();
    await expect.element(approvals().getByText(/sam approves for storage/)).toBeVisible();
    await button('Change it').click();
    await button('Cancel').click();
    const waits = page.getByRole('list', { name: 'Plans to be approved or started' }).getByRole('button');
    await expect.element(waits).toHaveTextContent(/by mira.*Missing 1 of platform-security/);
    await expectAccessible();
    await waits.click();
    await expect.element(approvals().getByText(/sam approves for storage/)).toBeVisible();
    await approvals().getByRole('button', { name: 'Add an answer…' }).click();
    await dialog().getByRole('textbox', { name: 'Signed answer' }).fill('/home/ops/answer-jo.json');
    await apply();
    await expect.element(dialog()).not.toBeInTheDocument();
    await expect.element(button('Start the rollout')).toBeEnabled();
    await apply();
    await expect.element(page.getByRole('article', { name: /^Run r-/ })).toBeVisible();
    await expect.element(waits).not.toBeInTheDocument();
  });

  it('are refused with a reason only', async () => {
    const { changes } = await review({ consent: 'asked' });
    await approvals().getByRole('button', { name: 'Sign…' }).click();
    await dialog().getByText('Refuse', { exact: true }).click();
    await apply();
    expect(changes).toEqual([]);
    await dialog().getByRole('textbox', { name: 'Why' }).fill('not during the sale');
    await expectAccessible();
    await apply();
    await expect.element(approvals().getByText(/sam refuses for storage: not during the sale/)).toBeVisible();
    await expect.element(button('Start the rollout')).toBeDisabled();
  });

  it('are left out at night with a reason, and a review is due until it is given', async () => {
    const { changes } = await review({ consent: 'night' });
    await approvals().getByRole('button', { name: 'Start without approvals…' }).click();
    await expect.element(dialog().getByRole('alert')).toBeVisible();
    await dialog().getByRole('textbox', { name: 'Why it cannot wait' }).fill('INC-9');
    await expectAccessible();
    await apply();
    await expect.element(page.getByText(/Began without approvals: run r-0192 by mira, “INC-9”/)).toBeVisible();
    await expect.element(page.getByText(/A review is due in 23 h 59 min|A review is due in 24 h/)).toBeVisible();
    await expectAccessible();
    await button('Review…').click();
    await dialog().getByRole('textbox', { name: 'What you found' }).fill('The rollback was right.');
    await expectAccessible();
    await apply();
    await expect.element(page.getByText(/Began without approvals/)).not.toBeInTheDocument();
    expect(changes).toEqual(['startRunAtNight', 'giveReview']);
  });
});

describe('a change of nodes by hand', () => {
  it('that others must consent to is looked at where their answers stand', async () => {
    const { changes } = await openWindow({ hash: 'fleet?node=osl-gw-2', consent: 'asked' });
    await expect.element(page.getByRole('complementary', { name: 'Node osl-gw-2' })).toBeVisible();
    await userEvent.keyboard('s');
    await expect.element(approvals().getByText(/1 of platform-security/).first()).toBeVisible();
    await expect.element(button('Start the change')).toBeDisabled();
    await expectAccessible();
    await userEvent.keyboard('{Escape}');
    await expect.element(page.getByRole('heading', { name: 'New rollout' })).toBeVisible();
    expect(changes).toEqual([]);
  });
});

describe('a plan that passes a safeguard over', () => {
  it('is started with a typed reason only, which stays on every screen while the run goes on', async () => {
    const { changes } = await openWindow({ hash: 'rollouts', consent: 'partly', forced: true, tickMs: STILL });
    await page.getByRole('list', { name: 'Plans to be approved or started' }).getByRole('button').click();
    await expect.element(page.getByText(/This plan passes a safeguard over/)).toBeVisible();
    await expectAccessible();
    await approvals().getByRole('button', { name: 'Add an answer…' }).click();
    await dialog().getByRole('textbox', { name: 'Signed answer' }).fill('/home/ops/answer-jo.json');
    await apply();
    await expect.element(dialog()).not.toBeInTheDocument();
    await expect.element(page.getByText('Write why it is loaded by force first.').first()).toBeVisible();
    await apply();
    expect(changes).toEqual(['addApprovalFile']);
    await page.getByRole('textbox', { name: 'Why it is loaded by force' }).fill('INC-2251: the engine lost its compiled rules');
    await expectAccessible();
    await apply();
    const loud = page.getByText(/goes on past a safeguard: what ran already was loaded again by force by mira: INC-2251/);
    await expect.element(loud).toBeVisible();
    await userEvent.keyboard('1');
    await expect.element(loud).toBeVisible();
    expect(changes).toEqual(['addApprovalFile', 'startRun']);
  });
});

describe('a request that somebody sent', () => {
  it('is opened, looked at, and answered into a file', async () => {
    const { changes } = await openWindow({ hash: 'rollouts' });
    await button('Answer a request…').click();
    await dialog().getByRole('textbox', { name: 'Request that you were sent' }).fill('/home/ops/request.json');
    await dialog().getByRole('button', { name: 'Open the request', exact: true }).click();
    await expect.element(dialog().getByText(/2 nodes from v42/)).toBeVisible();
    await dialog().getByRole('textbox', { name: 'Save the answer as' }).fill('/home/ops/answer-sam.json');
    await expectAccessible();
    await apply();
    await expect.element(page.getByText('Approved by sam; the answer is in /home/ops/answer-sam.json')).toBeVisible();
    expect(changes).toEqual(['answerRequestFile']);
  });

  it('with a problem cannot be signed', async () => {
    await openWindow({ hash: 'rollouts' });
    await button('Answer a request…').click();
    await dialog().getByRole('textbox', { name: 'Request that you were sent' }).fill('/home/ops/old.json');
    await dialog().getByRole('button', { name: 'Open the request', exact: true }).click();
    await expect.element(dialog().getByRole('alert')).toHaveTextContent(/version 6 of the roster/);
    expect(dialog().getByRole('combobox', { name: 'Sign with' }).elements()).toEqual([]);
    await expectAccessible();
  });

  it('and reviews cannot be answered in a read-only fleet', async () => {
    await openWindow({ fleet: 'auditors-view', hash: 'rollouts', reviews: true });
    await expect.element(page.getByText(/Began without approvals/)).toBeVisible();
    for (const name of [/^Answer a request/, /^Review/]) expect(button(name).elements()).toEqual([]);
  });
});

describe('a certificate', () => {
  it('shows every target by content, stragglers first, and is saved', async () => {
    await openWindow({ hash: 'rollouts?run=r-0193', runs: 'past', tickMs: STILL });
    const strip = page.getByRole('region', { name: 'Convergence certificate' });
    await expect.element(strip.getByText(/did not stand as planned 30 s after the run/)).toBeVisible();
    await userEvent.keyboard('c');
    await expect.element(dialog().getByRole('region', { name: 'Targets by content' }).getByRole('listitem').first()).toHaveTextContent(/wanted/);
    await expectAccessible();
    await dialog().getByRole('button', { name: 'Save as a file…' }).click();
    await expect.element(page.getByText('Certificate saved as /home/ops/fleets/certificate-r-0193.json')).toBeVisible();
  });
});
