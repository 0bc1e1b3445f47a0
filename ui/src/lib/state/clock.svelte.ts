/** The time as the backend tells it, ticking once a second. */
export class Clock {
  #offsetMs = 0;
  #still = false;
  #nowMs = $state(Date.now());

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Takes the backend's clock as the truth; at a moment of the past it stands still. */
  set(nowMs: number, still = false): void {
    this.#still = still;
    this.#offsetMs = nowMs - Date.now();
    this.#nowMs = nowMs;
  }

  start(): () => void {
    const timer = setInterval(() => {
      if (!this.#still) this.#nowMs = Date.now() + this.#offsetMs;
    }, 1000);
    return () => clearInterval(timer);
  }
}
