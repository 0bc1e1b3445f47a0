/** The time as the backend tells it, ticking once a second. */
export class Clock {
  #offsetMs = 0;
  #nowMs = $state(Date.now());

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Takes the backend's clock as the truth. */
  set(nowMs: number): void {
    this.#offsetMs = nowMs - Date.now();
    this.#nowMs = nowMs;
  }

  start(): () => void {
    const timer = setInterval(() => (this.#nowMs = Date.now() + this.#offsetMs), 1000);
    return () => clearInterval(timer);
  }
}
