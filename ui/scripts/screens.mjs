// Pictures of every screen and state on the fake API, in shots/: node scripts/screens.mjs [name part]
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium as playwright } from 'playwright';
import { preview } from 'vite';
import { chromium } from './chromium.mjs';

const executablePath = chromium();
if (!executablePath) {
  console.error('*** NO CHROMIUM: no pictures. Install chromium or set CHROMIUM_BIN. ***');
  process.exit(1);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const shots = fileURLToPath(new URL('../shots/', import.meta.url));
mkdirSync(shots, { recursive: true });

const press = (...keys) => async (page) => {
  for (const key of keys) {
    await page.keyboard.press(key);
    await page.waitForTimeout(120);
  }
};
const button = (name) => async (page) => page.getByRole('button', { name }).first().click();
const steps = (...all) => async (page) => {
  for (const step of all) {
    await step(page);
    await page.waitForTimeout(250);
  }
};
/** Screens that are read late take no key before they are there. */
const shown = async (page) => page.locator('article, .list').first().waitFor();
const type = (text) => async (page) => page.keyboard.type(text);

const SCENES = [
  ['first-run', '?fleet=', '', null],
  ['fleet-demo', '?fleet=demo', '', null],
  ['fleet-demo-node', '?fleet=demo', '#/fleet?node=fra-pay-2', null],
  ['fleet-1200', '?fleet=payments-eu', '', null],
  ['fleet-1200-drifted', '?fleet=payments-eu', '#/fleet?filter=state:drifted', steps(press('j', 'Space', 'j', 'Space'), press('Enter'))],
  ['fleet-10000', '?fleet=edge-world', '#/fleet?matrix=worst', null],
  ['fleet-10000-name', '?fleet=edge-world', '', null],
  ['fleet-read-only', '?fleet=auditors-view', '', press('Enter')],
  ['fleet-all-dead', '?fleet=all-dead&notice=The%20cache%20was%20damaged%3A%20it%20was%20set%20aside%20as%20cache.sqlite.damaged-1', '', null],
  ['fleet-empty', '?fleet=fresh', '', null],
  ['fleet-loading', '?fleet=never-answers', '', null],
  ['fleet-failed', '?fleet=unreadable-store', '', null],
  ['fleet-no-match', '?fleet=demo', '#/fleet?filter=region:atlantis', null],
  ['fleet-filter-error', '?fleet=demo', '#/fleet?filter=state:broken', null],
  ['fleet-hostile', '?fleet=hostile', '#/fleet?node=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E', null],
  ['evidence-none', '?fleet=demo', '#/evidence', null],
  ['evidence-capture', '?fleet=demo&runs=past', '#/evidence?capture=fleet', button('Preview what is taken out')],
  ['evidence-sealed', '?fleet=demo&runs=past', '#/evidence?capture=fleet', steps(async (page) => page.getByLabel('Save the archive as').fill('/home/ops/demo-now.evidence.zip'), button(/^Capture and seal/))],
  ['evidence-drift', '?fleet=demo&evidence=open', '#/drift', null],
  ['evidence-alerts', '?fleet=demo&evidence=open', '#/alerts', null],
  ['evidence-run', '?fleet=demo&evidence=open&runs=past', '#/rollouts', null],
  ['evidence-refused', '?fleet=demo&evidence=open&refused', '#/rollouts?refused=list', null],
  ['evidence-holds', '?fleet=demo&evidence=open', '#/evidence', null],
  ['evidence-stranger', '?fleet=demo&evidence=stranger', '', null],
  ['evidence-broken', '?fleet=demo&evidence=broken', '#/evidence', null],
  ['evidence-missing', '?fleet=demo&evidence=missing', '', null],
  ['evidence-compared', '?fleet=demo&evidence=open', '#/evidence', button('Compare with…')],
  ['evidence-rollouts', '?fleet=demo&evidence=open', '#/rollouts', null],
  ['evidence-sign', '?fleet=demo&evidence=open', '#/rollouts', async (page) => page.getByRole('button', { name: /Sign approval/ }).first().click()],
  ['evidence-runbooks', '?fleet=demo&evidence=open&runbook=halted', '#/runbooks', shown],
  ['evidence-no-runbook', '?fleet=demo&evidence=open', '#/runbooks', null],
  ['evidence-step', '?fleet=demo&evidence=open', '', press(',', '<')],
  ['history-lanes', '?fleet=payments-eu', '#/history', async (page) => page.getByRole('slider', { name: /^Moment in what/ }).click({ position: { x: 300, y: 40 } })],
  ['history-compared', '?fleet=payments-eu', '#/history?hours=168', steps(async (page) => page.getByRole('slider', { name: /^Moment in what/ }).click({ position: { x: 120, y: 40 } }), async (page) => page.getByRole('slider', { name: /^Moment in what/ }).click({ position: { x: 600, y: 40 } }))],
  ['history-raster', '?fleet=edge-world', '#/history?form=raster&hours=720', null],
  ['history-empty', '?fleet=fresh', '#/history', null],
  ['history-evidence', '?fleet=demo&evidence=open', '#/history', null],
  ['node-refused', '?fleet=demo', '#/fleet?node=fra-pay-1', null],
  ['fleet-unverified', '?fleet=payments-eu', '#/fleet?filter=verified:no', null],
  ['node-opa', '?fleet=demo', '#/fleet?node=fra-opa-1', null],
  ['node-logs', '?fleet=demo', '#/fleet?node=fra-pay-1&tab=logs', null],
  ['node-raw', '?fleet=demo', '#/fleet?node=fra-pay-2&tab=raw', null],
  ['node-raw-failed', '?fleet=demo', '#/fleet?node=waw-led-1&tab=raw', null],
  ['node-policies', '?fleet=demo', '#/fleet?node=fra-pay-2&tab=policies', null],
  ['drift', '?fleet=demo', '#/drift', null],
  ['drift-tampered', '?fleet=demo', `#/drift`, async (page) => page.getByRole('button', { name: /41d0aa93e6f7/ }).first().click()],
  ['drift-behind', '?fleet=payments-eu', '#/drift', steps(press(']', '['), press('j', 'j'))],
  ['drift-same', '?fleet=demo', '#/drift', async (page) => page.getByRole('button', { name: /baseline/ }).last().click()],
  ['decisions', '?fleet=demo', '#/drift?baseline=majority&tab=decisions', async (page) => page.getByRole('button', { name: /77b0c1d2e3f4/ }).first().click()],
  ['decisions-going', '?fleet=demo&impact=60000', '#/drift?baseline=majority&tab=decisions', async (page) => page.getByRole('button', { name: /77b0c1d2e3f4/ }).first().click()],
  ['decisions-missed', '?fleet=demo', '#/drift?baseline=majority&tab=decisions', steps(async (page) => page.getByRole('button', { name: /c2e8f0a1b2c3/ }).first().click(), async (page) => page.getByText('For example').click())],
  ['decisions-missing', '?fleet=demo', '#/drift?baseline=majority&tab=decisions', async (page) => page.getByRole('button', { name: /41d0aa93e6f7/ }).first().click()],
  ['drift-menu', '?fleet=demo', '#/drift', button(/^baseline/)],
  ['drift-moments', '?fleet=demo', '#/drift?past=yes', null],
  ['drift-moment', '?fleet=demo', '#/drift', steps(press('m', 'ArrowDown', 'Enter'))],
  ['drift-failed', '?fleet=unreadable-store', '#/drift', null],
  ['plan-dialog', '?fleet=demo', '', button('Plan sync of')],
  ['plan-typed', '?fleet=payments-eu', '', button('Plan sync of')],
  ['plan-version', '?fleet=demo', '#/fleet?node=fra-pay-1', press('p')],
  ['plan-rollback', '?fleet=demo', '#/fleet?node=osl-gw-1', steps(button('Roll back'), async (page) => page.getByRole('dialog').getByRole('radio').first().check(), press('Control+Enter'))],
  ['run-live', '?fleet=payments-eu&tick=60000', '', steps(button('Plan sync of'), async (page) => page.getByRole('textbox', { name: /^Type/ }).fill((await page.getByText(/^payments-eu \d+$/).first().textContent()) ?? ''), press('Control+Enter'))],
  ['run-half', '?fleet=payments-eu&tick=450', '', steps(button('Plan sync of'), async (page) => page.getByRole('textbox', { name: /^Type/ }).fill((await page.getByText(/^payments-eu \d+$/).first().textContent()) ?? ''), press('Control+Enter'), async (page) => page.waitForTimeout(3200))],
  ['run-undo', '?fleet=demo&tick=80', '#/fleet?node=osl-gw-2', steps(press('s'), async (page) => page.waitForTimeout(900))],
  ['runs', '?fleet=demo&tick=20', '#/fleet?node=osl-gw-2', steps(press('s'), async (page) => page.waitForTimeout(600), press('h'))],
  ['runs-none', '?fleet=demo', '', press('h')],
  ['consent-open', '?fleet=payments-eu&consent=open', '#/rollouts?step=new', steps(press('Control+Enter'))],
  ['consent-partly', '?fleet=payments-eu&consent=partly', '#/rollouts?step=new', steps(press('Control+Enter'))],
  ['consent-void', '?fleet=payments-eu&consent=void', '#/rollouts?step=new', steps(press('Control+Enter'))],
  ['consent-request', '?fleet=payments-eu&consent=open', '#/rollouts?step=new', steps(press('Control+Enter'), button('Request approval…'))],
  ['consent-sign', '?fleet=payments-eu&consent=partly', '#/rollouts?step=new', steps(press('Control+Enter'), button('Sign…'), async (page) => page.getByRole('combobox', { name: 'Sign with' }).selectOption('file:'))],
  ['consent-night', '?fleet=payments-eu&consent=night', '#/fleet?filter=state:behind', steps(press('j', 'Space', 'j', 'Space', 'j', 'Space'), button(/^Roll back/), async (page) => page.getByRole('dialog').getByRole('radio').first().check(), press('Control+Enter'), button('Start without approvals…'))],
  ['consent-answer', '?fleet=demo', '#/rollouts', steps(button('Answer a request…'), async (page) => page.getByRole('textbox').first().fill('/home/ops/request.json'), button('Open the request'))],
  ['plans-wait', '?fleet=payments-eu&consent=open&runs=past', '#/rollouts?step=new', steps(press('Control+Enter'), button('Request approval…'), async (page) => page.getByRole('textbox', { name: 'Save the request as' }).fill('/home/ops/request.json'), press('Control+Enter'), button('Change it'), button('Cancel'))],
  ['consent-forced', '?fleet=payments-eu&consent=partly&forced', '#/rollouts', steps(async (page) => page.getByRole('list', { name: 'Plans to be approved or started' }).getByRole('button').click())],
  ['dry-run', '?fleet=payments-eu&consent=asked', '#/rollouts?step=new', steps(press('Control+Enter'), async (page) => page.getByRole('region', { name: 'Dry run' }).getByRole('button', { name: 'Dry run' }).click(), async (page) => page.getByRole('region', { name: 'Dry run' }).scrollIntoViewIfNeeded())],
  ['readiness', '?fleet=payments-eu&consent=open', '#/rollouts?step=new', steps(press('Control+Enter'), button('Add evidence…'), async (page) => page.getByRole('textbox', { name: 'Where it can be looked at' }).fill('https://wiki.example/runbook'), press('Control+Enter'), async (page) => page.getByRole('region', { name: 'Readiness' }).scrollIntoViewIfNeeded())],
  ['readiness-attest', '?fleet=payments-eu&consent=open', '#/rollouts?step=new', steps(press('Control+Enter'), button('Add evidence…'), async (page) => page.getByText('I attest it').click())],
  ['night-running', '?fleet=payments-eu&consent=night&tick=60000', '#/fleet?filter=state:behind', steps(press('j', 'Space', 'j', 'Space', 'j', 'Space'), button(/^Roll back/), async (page) => page.getByRole('dialog').getByRole('radio').first().check(), press('Control+Enter'), button('Start without approvals…'), async (page) => page.getByRole('textbox', { name: 'Why it cannot wait' }).fill('INC-2214: payments refuse every refund, and the approvers sleep'), async (page) => page.getByRole('dialog').getByRole('textbox', { name: /^Type/ }).fill('payments-eu 3'), press('Control+Enter'))],
  ['refused', '?fleet=payments-eu&consent=open&refused&runs=past', '#/rollouts?refused=list', null],
  ['refused-pushed', '?fleet=payments-eu&consent=open&refused', '#/rollouts?refused=list', press('Control+Enter')],
  ['refused-unruled', '?fleet=demo&refused', '#/rollouts?refused=list', null],
  ['refused-none', '?fleet=demo', '#/rollouts?refused=list', null],
  ['refused-add', '?fleet=payments-eu&consent=open&refused', '#/rollouts?refused=list', steps(press('n'), async (page) => page.getByRole('combobox', { name: 'Content' }).selectOption('other'), async (page) => page.getByRole('textbox', { name: 'Content digest' }).fill('77b0'), async (page) => page.getByText('Sign the list for everybody').click())],
  ['refused-clean', '?fleet=payments-eu&consent=open&refused', '#/rollouts?refused=list', button(/^Sign clean… 41d0aa93e6f7/)],
  ['refused-sign-clean', '?fleet=payments-eu&consent=open&refused', '#/rollouts?refused=list', steps(button('Sign one that somebody sent…'), async (page) => page.getByRole('textbox', { name: 'Clearing that you were sent' }).fill('/home/ops/clearing-sam.json'), button('Open the clearing'))],
  ['refused-sign', '?fleet=payments-eu&consent=open&refused', '#/rollouts?refused=list', button('Sign version 5…')],
  ['run-refused', '?fleet=payments-eu&consent=open&refused&runs=past', '#/rollouts?run=r-0193', null],
  ['run-refused-late', '?fleet=payments-eu&consent=open&refused&runs=past', '#/rollouts?refused=list', steps(button('Sign version 5…'), press('Control+Enter'), press('Control+Enter'), press('Escape'), async (page) => page.goto(`${page.url().split('#')[0]}#/rollouts?run=r-0193`))],
  ['refused-read-only', '?fleet=auditors-view&consent=open&refused', '#/rollouts?refused=list', null],
  ['own-keys', '?fleet=payments-eu&consent=open', '#/settings', async (page) => page.getByRole('region', { name: 'My signing keys' }).evaluate((card) => card.scrollIntoView({ block: 'center' }))],
  ['own-keys-none', '?fleet=demo&keyless&clicks=no', '#/settings', async (page) => page.getByRole('region', { name: 'My signing keys' }).evaluate((card) => card.scrollIntoView({ block: 'center' }))],
  ['own-keys-make', '?fleet=payments-eu&consent=open', '#/settings', steps(button('Make a key…'), async (page) => page.getByText('In a file under a passphrase').click())],
  ['own-keys-take', '?fleet=payments-eu&consent=open', '#/settings', button('Take one from a file…')],
  ['roster', '?fleet=payments-eu&consent=open', '#/settings', null],
  ['roster-first', '?fleet=demo', '#/settings?roster=enrol', steps(async (page) => page.getByRole('textbox', { name: 'Signed roster' }).fill('/home/ops/roster-7.json'), button('Open the roster'), async (page) => page.getByRole('textbox', { name: /ops$/ }).fill('0123 4567'))],
  ['roster-newer', '?fleet=payments-eu&consent=open', '#/settings?roster=enrol', steps(async (page) => page.getByRole('textbox', { name: 'Signed roster' }).fill('/home/ops/roster-8.json'), button('Open the roster'))],
  ['bypassed-fleet', '?fleet=payments-eu&runs=skipped&tick=60000&reviews', '', null],
  ['run-events', '?fleet=payments-eu&runs=skipped&tick=60000', '#/rollouts', press('e')],
  ['reviews-due', '?fleet=payments-eu&runs=past&reviews', '#/rollouts', null],
  ['review', '?fleet=payments-eu&runs=past&reviews', '#/rollouts', button('Review…')],
  ['certificate', '?fleet=payments-eu&runs=past', '#/rollouts', steps(press('j'), press('c'))],
  ['rollouts-none', '?fleet=demo', '#/rollouts', null],
  ['rollouts-past', '?fleet=payments-eu&runs=past', '#/rollouts', press('j')],
  ['rollouts-soak', '?fleet=payments-eu&runs=soak&tick=60000', '#/rollouts', null],
  ['rollouts-attest', '?fleet=payments-eu&runs=attest&tick=60000', '#/rollouts', null],
  ['rollouts-attest-ask', '?fleet=payments-eu&runs=attest&tick=60000', '#/rollouts', press('a')],
  ['rollouts-paused', '?fleet=payments-eu&runs=paused&tick=60000', '#/rollouts', null],
  ['rollouts-halted', '?fleet=demo&runs=halted&tick=60000', '#/rollouts', null],
  ['rollouts-roll-back', '?fleet=demo&runs=halted&tick=60000', '#/rollouts', button('Roll back…')],
  ['rollouts-rolling', '?fleet=demo&runs=rolling&tick=60000', '#/rollouts', null],
  ['rollouts-left', '?fleet=payments-eu&runs=left', '#/rollouts', null],
  ['rollouts-picked-up', '?fleet=payments-eu&runs=left&tick=60000', '#/rollouts', button('Pick up')],
  ['rollouts-skipped', '?fleet=payments-eu&runs=skipped&tick=60000', '#/rollouts', null],
  ['rollouts-skip-gate', '?fleet=payments-eu&runs=soak&tick=60000', '#/rollouts', button('Skip the gate…')],
  ['rollouts-failed', '?fleet=unreadable-store', '#/rollouts', null],
  ['rollouts-read-only', '?fleet=auditors-view&runs=past', '#/rollouts', null],
  ['rollout-new', '?fleet=demo', '#/rollouts?step=new', null],
  ['rollout-new-label', '?fleet=demo', '#/rollouts?step=new', async (page) => page.getByText('By label', { exact: true }).click()],
  ['rollout-new-wrong', '?fleet=demo', '#/rollouts?step=new', steps(async (page) => page.getByRole('textbox', { name: 'Shares' }).fill('50, 10'), async (page) => page.getByRole('textbox', { name: 'Soak' }).fill('a while'), async (page) => page.getByText('Pin to a version and sync', { exact: true }).click())],
  ['rollout-review', '?fleet=demo', '#/rollouts?step=new', press('Control+Enter')],
  ['rollout-review-typed', '?fleet=payments-eu', '#/rollouts?step=new', press('Control+Enter')],
  ['rollout-refused', '?fleet=demo', '#/rollouts?step=new', steps(async (page) => page.getByRole('combobox', { name: 'Canary' }).fill('fra-gw-1'), press('Control+Enter'))],
  ['alerts', '?fleet=demo', '#/alerts', null],
  ['alerts-open', '?fleet=demo', '#/alerts', steps(press('j', 'Enter'))],
  ['alerts-why', '?fleet=demo', '#/alerts', steps(press('j', 'Enter'), button('Why: reports'))],
  ['alerts-storm', '?fleet=payments-eu', '#/alerts', async (page) => page.getByRole('row').filter({ hasText: '9 alerts like' }).click()],
  ['alerts-bulk', '?fleet=demo', '#/alerts?grouped=no', press('Space', 'j', 'Space', 'j', 'Space')],
  ['alerts-cooling', '?fleet=demo', '#/alerts?cooling=yes&status=all', null],
  ['alerts-many', '?fleet=edge-world&alerts=many', '#/alerts', null],
  ['alerts-many-flat', '?fleet=edge-world&alerts=many', '#/alerts?grouped=no&sort=newest', null],
  ['alerts-none', '?fleet=demo&alerts=none', '#/alerts', null],
  ['alerts-settled', '?fleet=demo&alerts=settled', '#/alerts', null],
  ['alerts-hub', '?fleet=demo&alerts=hub', '#/alerts', null],
  ['alerts-offline', '?fleet=demo&alerts=offline', '#/alerts', press('Enter')],
  ['alerts-memory', '?fleet=demo&alerts=memory', '#/alerts', null],
  ['alerts-ack', '?fleet=demo', '#/alerts', press('a')],
  ['alerts-fail', '?fleet=demo', '#/alerts?mine=yes', press('f')],
  ['alerts-triage', '?fleet=demo', '#/alerts', press('t')],
  ['alerts-retention', '?fleet=demo&alerts=settled', '#/alerts', steps(button('Retention…'), async (page) => page.getByRole('spinbutton').fill('0'))],
  ['runbooks', '?fleet=demo&runbook=question', '#/runbooks?file=policy-version-conflicts.md', null],
  ['runbooks-steps', '?fleet=demo', '#/runbooks?file=supersedes-backfill.md&tab=steps', null],
  ['runbooks-unknown', '?fleet=demo', '#/runbooks?file=drain-one-region.md', null],
  ['runbooks-broken', '?fleet=demo', '#/runbooks?file=half-written.md', null],
  ['runbooks-start', '?fleet=demo', '#/runbooks?file=policy-version-conflicts.md', steps(shown, press('s'))],
  ['runbooks-rehearsed', '?fleet=demo', '#/runbooks?file=policy-manual-rollback.md', steps(shown, press('t'), press('Control+Enter'))],
  ['runbooks-doctor', '?fleet=demo', '#/runbooks', steps(shown, press('D'))],
  ['runbooks-record', '?fleet=payments-eu&runs=past', '#/rollouts', button('Record as a runbook')],
  ['runbook-confirm', '?fleet=demo&runbook=confirm', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', null],
  ['runbook-confirm-ask', '?fleet=demo&runbook=confirm', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', steps(shown, press('n'))],
  ['runbook-question', '?fleet=demo&runbook=question', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', steps(shown, press('n'))],
  ['runbook-halted', '?fleet=demo&runbook=halted', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', steps(shown, press('j'))],
  ['runbook-decide', '?fleet=demo&runbook=halted', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', steps(shown, press('n'))],
  ['runbook-running', '?fleet=payments-eu&runbook=running', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', null],
  ['runbook-approval', '?fleet=payments-eu&runbook=approval', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', steps(shown, press('n'))],
  ['runbook-back', '?fleet=payments-eu&runbook=back', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', null],
  ['runbook-left', '?fleet=demo&runbook=left', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', null],
  ['runbook-ended', '?fleet=demo&runbook=ended', '#/runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001', null],
  ['runbook-help', '?fleet=demo', '#/help?topic=runbooks', null],
  ['incidents', '?fleet=demo', '#/alerts?tab=incidents', null],
  ['incidents-frozen', '?fleet=demo', '#/alerts?tab=incidents', async (page) => page.getByText('What was frozen').click()],
  ['incidents-none', '?fleet=demo&alerts=none', '#/alerts?tab=incidents', null],
  ['alerts-guide', '?fleet=demo', '#/help?topic=troubleshooting&entry=Alerts+stay+in+processing', null],
  ['settings', '?fleet=demo', '#/settings', null],
  ['settings-keyring', '?fleet=demo&keyring=The%20keyring%20cannot%20be%20used%3A%20no%20Secret%20Service%20on%20this%20machine.%20Keep%20the%20token%20in%20PLUMB_TOKEN%20instead.', '#/settings', null],
  ['settings-import', '?fleet=demo', '#/settings?import=new', null],
  ['settings-import-diff', '?fleet=demo', '#/settings?import=demo', steps(async (page) => page.getByRole('textbox', { name: 'Nodes' }).fill('[{"targets":["fra-gw-1:8443","fra-gw-3:8443","fra-gw-4:8443"]}]'), press('Control+Enter'))],
  ['settings-add', '?fleet=demo', '#/settings?add=yes', null],
  ['settings-import-new', '?fleet=demo', '#/settings?import=new', steps(async (page) => page.getByLabel('Name of the fleet').fill('fresh'), button('Choose a file'), press('Control+Enter'), button('Choose…'))],
  ['node-copy', '?fleet=demo', '#/fleet?node=fra-pay-2', button('Copy as: the reload')],
  ['settings-secret', '?fleet=demo', '#/settings', button(/Set the secret/)],
  ['help', '?fleet=demo', '#/help', null],
  ['help-search', '?fleet=demo', '#/help?topic=drift-states', steps(press('/'), type('rollback'))],
  ['keys', '?fleet=demo', '#/fleet?node=fra-pay-1', press('?')],
  ['palette', '?fleet=demo', '', press('Control+k')],
  ['palette-argument', '?fleet=demo', '', steps(press('Control+k'), type('open node'), press('Enter'), type('osl'))],
  ['command-line', '?fleet=demo', '', steps(press(':'), type('n'))],
  ['fleet-menu', '?fleet=demo', '', button(/^Fleet: /)],
];

const only = process.argv[2] ?? '';
const looks = (process.argv[3] ?? '1280x800-dark,1920x1080-dark,1280x800-light,1920x1080-light,1280x800-contrast,1920x1080-contrast').split(',');
const server = await preview({ root, mode: 'fake', build: { outDir: 'dist-fake' }, preview: { port: 4199, strictPort: true }, logLevel: 'error' });
const browser = await playwright.launch({ executablePath, args: ['--no-sandbox', '--force-color-profile=srgb'] });
const complaints = [];
for (const look of looks) {
  const [, width, height, theme] = /^(\d+)x(\d+)-(\w+)$/.exec(look) ?? [];
  for (const [name, query, hash, act] of SCENES) {
    if (only !== '' && !name.includes(only)) continue;
    const context = await browser.newContext({ viewport: { width: Number(width), height: Number(height) }, reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'] });
    await context.addInitScript((chosen) => localStorage.setItem('plumbline.prefs', JSON.stringify({ theme: chosen, utc: true })), theme);
    // The window does the same: a library that writes over a frozen prototype would break there.
    await context.addInitScript(() => Object.freeze(Object.prototype));
    const page = await context.newPage();
    page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(`${name}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`${name}: ${error.message}`));
    page.on('dialog', (dialog) => { complaints.push(`${name}: SCRIPT RAN ${dialog.message()}`); void dialog.dismiss(); });
    await page.goto(`http://localhost:4199/${query}${hash}`);
    await page.waitForTimeout(500);
    try {
      if (act) await act(page);
      await page.waitForTimeout(350);
    } catch (error) {
      complaints.push(`${name}: ${error.message.split('\n')[0]}`);
    }
    await page.screenshot({ path: `${shots}${name}-${look}.png` });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight);
    if (wide) complaints.push(`${name} ${look}: the page itself scrolls`);
    await context.close();
  }
}
await browser.close();
await new Promise((resolve) => server.httpServer.close(resolve));
for (const complaint of new Set(complaints)) console.error(complaint);
process.exit(complaints.length > 0 ? 1 : 0);
