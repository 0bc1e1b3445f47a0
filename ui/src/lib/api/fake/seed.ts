//! Deterministic chance and digests for the fake.

/** Mulberry32: the same numbers for the same seed, everywhere. */
export function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function seedOf(text: string): number {
  let hash = 2_166_136_261;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619);
  return hash >>> 0;
}

/** 64 hex digits that look like a digest of `text`, with a chosen beginning where one is given. */
export function digest(text: string, beginning = ''): string {
  const next = chance(seedOf(text));
  let hex = beginning;
  while (hex.length < 64) hex += Math.floor(next() * 16).toString(16);
  return hex;
}
