//! The refused list of the fake: two people must sign content clean, one of storage and one of platform-security.
//! Files have well-known names: `/clearing-sam.json` was begun by sam, `/refused-5.json` is a newer list, `/refused-1.json` an older one.
import type { AppError, ClearingFileView, ClearingView, KeyRequest, RefusedContentView, RefusedPushView, RefusedView, RunRefused, RunView } from '../api';
import { GROUPS, personOf } from './consent';
import { START_MS, type FakeFleet } from './fleets';
import { DIVERGED, TAMPERED, V43 } from './policies';
import { digest } from './seed';

const refuse = (code: AppError['code'], message: string, hint: string): never => {
  throw { code, message, hint } satisfies AppError;
};
const HOUR = 3_600_000;

export class FakeRefused {
  #version: number | null = null;
  #signedBy: string[] = [];
  #issuedAt: string | null = null;
  #refused: RefusedContentView[] = [];
  #cleared: RefusedView['cleared'] = [];
  #pushed: number | null = null;

  constructor(
    private readonly now: () => number,
    seeded: boolean,
    private readonly ruled: boolean,
  ) {
    if (!seeded) return;
    const at = (hours: number): string => new Date(START_MS - hours * HOUR).toISOString();
    this.#refused = [
      { content: TAMPERED.digest, versions: [], since: at(76), reason: 'claims to be v42 and is signed by nobody: INC-2198', run: null, signed: ruled },
      { content: V43.digest, versions: ['v43-rc1'], since: at(3), reason: 'rolled back: the gate of wave 1 stays shut: error rate 2.1 %, at most 0.5 %', run: 'r-0193', signed: false },
    ];
    if (!ruled) return;
    this.#version = 4;
    this.#signedBy = ['noor'];
    this.#issuedAt = at(75);
    this.#pushed = 4;
    this.#cleared = [{ content: DIVERGED.digest, at: at(200), reason: 'rebuilt from the same sources by two people, bit for bit', people: ['jo', 'sam'] }];
  }

  of(fleet: FakeFleet): RefusedView {
    const agents = fleet.nodes.filter((node) => node.api === 'agent');
    const held = this.#version !== null && this.#pushed === this.#version;
    const late = held ? agents.filter((node) => node.state === 'unreachable' || node.state === 'stale') : agents;
    return {
      fleet: fleet.summary.name, version: this.#version, digest: this.#version === null ? null : digest(`refused ${this.#version}`), issued_at: this.#issuedAt, signed_by: this.#signedBy,
      refused: [...this.#refused], cleared: [...this.#cleared], enforcing: agents.length - late.length, behind: late.map((node) => node.id), cannot: fleet.nodes.filter((node) => node.api !== 'agent').map((node) => node.id),
    };
  }

  /** How what a run took back is refused; nothing where it took nothing back. */
  by(run: RunView, fleet: FakeFleet): RunRefused | null {
    const taken = this.#refused.filter((one) => one.run === run.id);
    if (taken.length === 0) return null;
    const nodes = new Set(run.nodes.map((node) => node.node));
    const view = this.of(fleet);
    const version = taken.every((one) => one.signed) ? view.version : null;
    const contents = taken.map((one) => one.content);
    const push = `plumb refused push --fleet ${run.fleet}`;
    if (version === null) return { contents, list_version: null, holding: 0, behind: [], cannot: [], to_do: `only this console refuses it: plumb refused add --fleet ${run.fleet} --key FILE, then ${push}` };
    const [behind, cannot] = [view.behind, view.cannot].map((of) => of.filter((node) => nodes.has(node))) as [string[], string[]];
    return { contents, list_version: version, holding: nodes.size - behind.length - cannot.length, behind, cannot, to_do: behind.length === 0 ? null : `send the list to whoever misses it: ${push}` };
  }

  #signed(person: string): void {
    this.#version = (this.#version ?? 0) + 1;
    this.#signedBy = [person];
    this.#issuedAt = new Date(this.now()).toISOString();
    this.#refused = this.#refused.map((one) => ({ ...one, signed: true }));
  }

  #person(key: KeyRequest): string {
    if (!this.ruled) refuse('not_found', 'no roster is enrolled for this fleet', 'enrol the roster that names the fleet');
    return personOf(key);
  }

  refuse(content: [string, string] | null, key: KeyRequest | null): void {
    const person = key === null ? null : this.#person(key);
    if (content !== null && !this.#refused.some((one) => one.content === content[0])) this.#refused.push({ content: content[0], versions: [], since: new Date(this.now()).toISOString(), reason: content[1], run: null, signed: false });
    if (person !== null) this.#signed(person);
  }

  #clearing(content: string, reason: string, people: string[], output: string | null): ClearingView {
    const known = this.#refused.find((one) => one.content === content) ?? refuse('not_found', `content ${content.slice(0, 12)} is not refused`, 'list what is');
    const groups = new Set(people.map((person) => GROUPS[person]));
    const missing = ['storage', 'platform-security'].filter((group) => !groups.has(group)).map((group) => `1 more of ${group}`);
    return { content, since: known.since, reason, people, missing: missing.length === 0 ? null : `it misses ${missing.join(', and ')}`, file: missing.length === 0 ? null : output };
  }

  #settle(view: ClearingView, person: string): ClearingView {
    if (view.missing !== null) return view;
    this.#refused = this.#refused.filter((one) => one.content !== view.content);
    this.#cleared = [{ content: view.content, at: new Date(this.now()).toISOString(), reason: view.reason, people: view.people }, ...this.#cleared];
    this.#signed(person);
    return view;
  }

  clear(content: string, reason: string, key: KeyRequest, output: string): ClearingView {
    const person = this.#person(key);
    return this.#settle(this.#clearing(content, reason, [person], output), person);
  }

  open(path: string): ClearingFileView {
    if (!path.includes('clearing')) refuse('invalid', `${path} could not be read: no such file`, 'choose the file that you were sent');
    return { file: digest(path), clearing: this.#clearing(this.#refused[0]?.content ?? '', 'rebuilt from the tagged sources, equal to what is signed', ['sam'], null) };
  }

  sign(path: string, key: KeyRequest, output: string): ClearingView {
    const { clearing } = this.open(path);
    const person = this.#person(key);
    if (clearing.people.includes(person)) refuse('invalid', `${person} signed it already`, 'somebody else must sign');
    return this.#settle(this.#clearing(clearing.content, clearing.reason, [...clearing.people, person].sort(), output), person);
  }

  take(path: string): void {
    const version = Number(/refused-(\d+)\.json$/.exec(path)?.[1] ?? refuse('invalid', `${path} could not be read: no such file`, 'choose the file that you were sent'));
    if (version < (this.#version ?? 0)) refuse('invalid', `it is version ${version}, older than version ${this.#version}, which is known already`, 'get the newest list; what it misses can be added to it');
    this.#signed('noor');
    this.#version = version;
  }

  push(fleet: FakeFleet): RefusedPushView {
    if (this.#version === null) return refuse('not_found', 'no refused list is signed', 'sign one');
    this.#pushed = this.#version;
    const takes = (node: FakeFleet['nodes'][number]): string | null => (node.api !== 'agent' ? `a ${node.api} node cannot enforce it` : node.state === 'unreachable' ? 'did not answer within 3 s' : null);
    const told = fleet.nodes.map((node) => ({ node: node.id, reason: takes(node) }));
    return { fleet: fleet.summary.name, version: this.#version, taken: told.filter((one) => one.reason === null).map((one) => one.node), not_taken: told.flatMap(({ node, reason }) => (reason === null ? [] : [{ node, reason }])) };
  }
}
