//! Opens the whole window on a fake, for tests in a browser.
import '../styles/base.css';
import axe from 'axe-core';
import { expect } from 'vitest';
import { page } from 'vitest/browser';
import { render } from 'vitest-browser-svelte';
import type { Api } from '$lib/api/api';
import { createFake, type FakeOptions } from '$lib/api/fake';
import Root from './Root.svelte';

export interface Calls {
  api: Api;
  /** Names of the calls that change something, in order. */
  changes: string[];
}

const CHANGES = new Set(['startRun', 'startRunAtNight', 'askForApproval', 'addApprovalFile', 'signHere', 'answerRequestFile', 'giveReview', 'enrolRoster', 'refuse', 'clearRefused', 'signClearing', 'takeRefused', 'pushRefused', 'makeKey', 'takeKey', 'dryRun', 'linkReadiness', 'attestReadiness', 'setQuiet', 'makeCertificate', 'abortRun', 'orderRun', 'resumeRun', 'addFleet', 'removeFleet', 'saveImport', 'setSecret', 'deleteSecret', 'refresh', 'actOnAlerts', 'actOnIncident', 'retainAlerts', 'beginRunbook', 'rehearseRunbook', 'tellRunbook', 'signRunbook', 'pickUpRunbook', 'captureEvidence', 'saveText']);

export async function openWindow(options: Partial<FakeOptions> & { api?: Api; hash?: string; theme?: string; size?: [number, number] } = {}): Promise<Calls> {
  const { api: given, hash = '', theme = 'dark', size = [1280, 800], ...rest } = options;
  await page.viewport(...size);
  localStorage.setItem('plumbline.prefs', JSON.stringify({ theme, utc: true }));
  history.replaceState(null, '', `#/${hash}`);
  const fake = given ?? createFake({ fleet: 'demo', tickMs: 20, ...rest });
  const changes: string[] = [];
  const api = new Proxy(fake, {
    get(target, name: keyof Api) {
      const call = target[name] as (...given: unknown[]) => unknown;
      return (...given: unknown[]) => {
        if (CHANGES.has(name)) changes.push(name);
        return call(...given);
      };
    },
  });
  // Nothing moves, so that nothing is measured half way.
  document.documentElement.style.setProperty('--time-fast', '0ms');
  document.body.style.height = '100vh';
  const { container } = await render(Root, { api });
  container.style.height = '100vh';
  return { api, changes };
}

/** Fails with the rules that are broken and where. */
export async function expectAccessible(): Promise<void> {
  const { violations } = await axe.run(document.body, { rules: { region: { enabled: false }, 'page-has-heading-one': { enabled: false }, 'landmark-one-main': { enabled: false } } });
  expect(violations.map((broken) => `${broken.id}: ${broken.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} ${node.any[0]?.message ?? ''}`).join(' | ')}`)).toEqual([]);
}
