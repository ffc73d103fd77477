/** Times, sizes and numbers, as people read them. */

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const number = new Intl.NumberFormat("en");
const share = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1],
];

/** `3 min. ago`, as of `now` in milliseconds. */
export function ago(time: string, now: number): string {
  const seconds = Math.round((Date.parse(time) - now) / 1_000);
  if (Math.abs(seconds) < 2) return "now";
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

/** To the millisecond, in the reader's time zone, and in UTC. Every row of a list asks, and `Intl` takes its time. */
export function exact(time: string): string {
  const date = new Date(time);
  const [, month, day, year, clock] = date.toString().split(" ");
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${Number(day)} ${month} ${year}, ${clock}.${milliseconds} · ${date.toISOString()}`;
}

export function duration(milliseconds: number): string {
  if (milliseconds < 1) return "< 1 ms";
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1_000).toFixed(milliseconds < 10_000 ? 2 : 1)} s`;
}

/** How often, of so many seconds: `5 minutes`, `90 seconds`. */
export function every(seconds: number): string {
  const [unit, size] = STEPS.find(([, size]) => seconds >= size && seconds % size == 0) ?? ["second", 1];
  return seconds == size ? unit : `${count(seconds / size)} ${unit}s`;
}

export const count = (value: number) => number.format(value);
export const brief = (value: number) => (value < 10_000 ? count(value) : compact.format(value));
export const percent = (part: number, whole: number) =>
  whole ? `${share.format((100 * part) / whole)}\u00a0%` : "–";

/** An id with its middle left out: its end tells it from its neighbours. */
export const short = (id: string) => (id.length > 16 ? `${id.slice(0, 4)}…${id.slice(-8)}` : id);

/** Who wrote: `Noor Aziz` of `Noor Aziz <noor@example.com>`, or the address where nobody is named. */
export const sender = (from: string) => /^\s*"?([^"<]*[^"<\s])"?\s*</.exec(from)?.[1] ?? from;

/** JSON with a line for each value; anything else as it is. */
export function pretty(value: unknown): string {
  if (typeof value != "string") return JSON.stringify(value, null, 2) ?? "";
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

/** Quotes for a shell. */
export const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
