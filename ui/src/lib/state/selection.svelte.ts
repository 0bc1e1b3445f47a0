import { SvelteSet } from 'svelte/reactivity';

/** Marked nodes and the one under the cursor, shared by table, matrix and drawer. */
export class NodeSelection {
  #marks = new SvelteSet<string>();
  #anchor: number | null = null;
  /** Row of the table the keys stand on. */
  cursor = $state(0);

  readonly marks: ReadonlySet<string> = this.#marks;

  get count(): number {
    return this.#marks.size;
  }

  has(id: string): boolean {
    return this.#marks.has(id);
  }

  ids(): string[] {
    return [...this.#marks];
  }

  toggle(id: string, index: number): void {
    if (!this.#marks.delete(id)) this.#marks.add(id);
    this.#anchor = index;
  }

  /** Where a range begins: the row marked last, else the cursor. */
  rangeFrom(): number {
    return this.#anchor ?? this.cursor;
  }

  add(ids: readonly string[], anchor: number | null = null): void {
    for (const id of ids) this.#marks.add(id);
    if (anchor !== null) this.#anchor = anchor;
  }

  clear(): void {
    this.#marks.clear();
    this.#anchor = null;
  }

  /** Forgets marks of nodes that are gone. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#marks) if (!ids.has(id)) this.#marks.delete(id);
  }

  reset(): void {
    this.clear();
    this.cursor = 0;
  }
}
