import { untrack, type Component } from 'svelte';
import { keyWord, worksWhileTyping } from './keys.logic';

export interface Choice {
  value: string;
  label: string;
  detail?: string;
}

/** Something a person can do. Toolbar, keys, palette and help render the same list, so an action exists once. */
export interface Action {
  id: string;
  title: string;
  /** Title of a button that stands where its object is plain. */
  short?: string;
  group: string;
  icon?: Component;
  /** Keys that run it; the first one is shown. */
  keys?: readonly string[];
  /** Short word for the bar at the bottom; absent where it is not shown there. */
  word?: string;
  /** Only a key, not a line of the palette (moving about). */
  keyOnly?: boolean;
  /** It asks or changes nodes: there is no such action where evidence is shown. */
  live?: boolean;
  /** Why it cannot be done now, and what to do instead. */
  disabled?: string | undefined;
  argument?: { name: string; choices: (typed: string) => Choice[] | Promise<Choice[]> };
  run: (argument?: string) => void;
}

/** A key that moves about; it is no line of the palette. */
export const moveKey = (id: string, title: string, keys: string[], run: () => void, word?: string): Action => ({ id, title, group: 'Moving', keys, keyOnly: true, run, ...(word ? { word } : {}) });

/** Whose keys win: the highest layer that has the key; a modal one hides all below. */
export const LAYER = { app: 0, screen: 1, drawer: 2, modal: 3 } as const;

interface Provider {
  layer: number;
  actions: () => readonly Action[];
}

const isField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches('input:not([type=checkbox],[type=radio],[type=button],[type=range]), textarea, select'));

/** Keys a focused control needs for itself. */
function belongsToControl(target: EventTarget | null, word: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (word === 'Enter' || word === 'Space') return target.closest('button, a, summary, [role=menuitem], [role=option], [role=tab]') !== null;
  return word.startsWith('Arrow') && target.closest('input[type=range], [role=slider], [role=menu], [role=tablist], [role=radiogroup], [role=listbox], [role=tree]') !== null;
}

export class Commands {
  #providers = $state.raw<readonly Provider[]>([]);
  /** Evidence is shown in the place of fleets. */
  evidence = $state(false);
  readonly #visible = $derived.by(() => {
    const modal = this.#providers.some((provider) => provider.layer === LAYER.modal);
    return this.#providers.filter((provider) => !modal || provider.layer === LAYER.modal).toSorted((a, b) => b.layer - a.layer);
  });
  /** Actions that can be asked for now, the nearest first. */
  readonly all = $derived(this.#visible.flatMap((provider) => provider.actions()).filter((action) => this.#there(action)));
  /** Every action of the screen, also while a dialog is open: what the palette offers. */
  readonly everywhere = $derived(
    this.#providers
      .filter((provider) => provider.layer !== LAYER.modal)
      .toSorted((a, b) => b.layer - a.layer)
      .flatMap((provider) => provider.actions())
      .filter((action) => this.#there(action)),
  );

  #there(action: Action): boolean {
    return !(this.evidence && action.live);
  }

  provide(layer: number, actions: () => readonly Action[]): () => void {
    const provider = { layer, actions };
    untrack(() => (this.#providers = [...this.#providers, provider]));
    return () => untrack(() => (this.#providers = this.#providers.filter((other) => other !== provider)));
  }

  /** Runs the action of a key press, if there is one. */
  handle(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing) return;
    const word = keyWord(event);
    if (isField(event.target) && !worksWhileTyping(word)) return;
    if (belongsToControl(event.target, word)) return;
    const action = this.all.find((candidate) => candidate.keys?.includes(word));
    if (!action) return;
    event.preventDefault();
    if (action.disabled === undefined) action.run();
  }
}
