//! Figures as people read them: counts, ages, moments, durations, digests.

export const DIGEST_SHOWN = 12;

/** First digits of a digest; the rest is on hover. */
export const shortDigest = (digest: string): string => digest.slice(0, DIGEST_SHOWN);

const COUNT = new Intl.NumberFormat('en');
export const count = (value: number): string => COUNT.format(value);
export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`;

/** Share in percent; never rounds what is not all up to 100. */
export function share(part: number, of: number): string {
  if (of === 0) return '0 %';
  if (part === of) return '100 %';
  return `${Math.min(99.9, Math.round((part / of) * 1000) / 10).toFixed(1)} %`;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** An age in its largest unit: `4 s`, `2 min`, `3 h`, `9 d`. */
export function age(sinceMs: number | null, nowMs: number): string {
  if (sinceMs === null) return '–';
  const seconds = Math.floor((nowMs - sinceMs) / 1000);
  if (seconds < -2) return 'in the future';
  if (seconds < MINUTE) return `${Math.max(0, seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${count(Math.floor(seconds / DAY))} d`;
}

/** An age with its second unit: `3 d 02 h`, `4 h 07 min`. */
export function longAge(sinceMs: number | null, nowMs: number): string {
  if (sinceMs === null) return '–';
  const seconds = Math.floor((nowMs - sinceMs) / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds >= DAY) return `${count(Math.floor(seconds / DAY))} d ${two(Math.floor((seconds % DAY) / HOUR))} h`;
  if (seconds >= HOUR) return `${Math.floor(seconds / HOUR)} h ${two(Math.floor((seconds % HOUR) / MINUTE))} min`;
  return age(sinceMs, nowMs);
}

/** A length of time of a setting, exact in its largest units: `30 s`, `10 min`, `2 d`, `1 h 30 min`. */
export function span(seconds: number): string {
  const parts: string[] = [];
  let rest = Math.max(0, Math.round(seconds));
  for (const [size, word] of [[DAY, 'd'], [HOUR, 'h'], [MINUTE, 'min'], [1, 's']] as const) {
    const whole = Math.floor(rest / size);
    if (whole > 0) parts.push(`${count(whole)} ${word}`);
    rest -= whole * size;
  }
  return parts.length === 0 ? '0 s' : parts.join(' ');
}

export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Time of day; years that make no sense are shown as they are. */
export function clockTime(ms: number, utc: boolean): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return 'no such time';
  return utc
    ? `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`
    : `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function moment(ms: number, utc: boolean): string {
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return 'no such time';
  const date = utc
    ? `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`
    : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${clockTime(ms, utc)} ${utc ? 'UTC' : 'local'}`;
}

/** Text without control characters or tricks of direction: shown as escapes, never obeyed. */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (found) => {
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Ends with a full stop, and begins with a capital unless with a name: of a node, a file, or somebody. */
export function sentence(text: string): string {
  const name = !/^[a-z]+(?=[ ,:;.]|$)/.test(text) || / refused: /.test(text);
  const whole = name ? text : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}
