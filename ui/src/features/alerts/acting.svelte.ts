import type { ActedView, AlertAct, InboxView } from '$lib/api/api';
import type { Session } from '$lib/state/session';
import { actedWords, withRows } from './alerts.logic';
import { INBOX, PAGES } from './alerts.queries';

/** Alerts that one call acts on: each is a durable change, and a person watches the count. */
const AT_ONCE = 20;

/** Does something with alerts, some at a time, and tells what became of them. */
export class Acting {
  /** How far a long act is; nothing while none goes on. */
  progress = $state.raw<{ done: number; of: number } | null>(null);
  #stopped = false;

  constructor(
    private readonly shared: Session,
    private readonly fleet: () => string,
  ) {}

  /** Ends a long act after what is under way. */
  stop(): void {
    this.#stopped = true;
  }

  /** Throws only when nothing at all could be done. */
  async run(refs: readonly string[], act: AlertAct): Promise<ActedView> {
    const all: ActedView = { done: [], refused: [], rows: [] };
    if (this.progress !== null) return all;
    this.#stopped = false;
    this.progress = { done: 0, of: refs.length };
    try {
      for (let at = 0; at < refs.length && !this.#stopped; at += AT_ONCE) {
        const acted = await this.shared.api.actOnAlerts(this.fleet(), refs.slice(at, at + AT_ONCE), act);
        all.done.push(...acted.done);
        all.refused.push(...acted.refused);
        all.rows.push(...acted.rows);
        this.progress = { done: Math.min(refs.length, at + AT_ONCE), of: refs.length };
        // What changed is shown now; the list is asked for what else that changes, and once more when it is announced.
        this.shared.queries.setQueriesData<InboxView>({ queryKey: [INBOX, this.fleet(), PAGES] }, (view) => view && withRows(view, acted.rows));
        void this.shared.queries.invalidateQueries({ queryKey: [INBOX, this.fleet()] });
      }
    } finally {
      this.progress = null;
    }
    const { text, hint, bad, guide } = actedWords(act.act, all);
    const action = guide === undefined ? undefined : { title: 'What to do', run: () => this.shared.route.go('help', { topic: 'troubleshooting', entry: guide }) };
    this.shared.toasts.say(text, { hint, bad, action });
    return all;
  }
}
