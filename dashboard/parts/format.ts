const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tight = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** 12,345 */
export function count(value: number): string {
  return whole.format(value);
}

/** Where there is little room: "950", "10K". */
export function compact(value: number): string {
  return tight.format(value);
}

/** "1 file", "2 files" */
export function counted(value: number, one: string): string {
  return `${count(value)} ${one}${value === 1 ? '' : 's'}`;
}

/** `percent(0.423)` is "42 %"; what is under way is never rounded up to whole. */
export function percent(fraction: number): string {
  return `${Math.floor(Math.max(0, Math.min(1, fraction)) * 100)} %`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes, as a number or the decimal text that the API gives. */
export function bytes(value: number | string): string {
  const amount = Number(value);
  const power = amount < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(amount) / 10));
  return `${short.format(amount / 1024 ** power)} ${UNITS[power] ?? ''}`;
}

const DAY = 86_400;

/** Seconds as the two largest units that matter: "45 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
export function duration(seconds: number): string {
  const all = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(all / DAY), 'd'],
    [Math.floor((all % DAY) / 3_600), 'h'],
    [Math.floor((all % 3_600) / 60), 'min'],
    [all % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

/** How long before `now` (milliseconds) a moment was. */
export function ago(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1_000;
  return seconds < 1 ? 'just now' : `${duration(seconds)} ago`;
}

const clock = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const dayAndTime = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const minutesOnly = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' });
const timeOnly = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

/** A moment in the reader's own time zone: "22 Nov 2026, 17:50:12". */
export function moment(at: string): string {
  return clock.format(Date.parse(at));
}

/** Where days are told apart: "22 Nov, 17:50". */
export function dayTime(at: string | Date): string {
  return dayAndTime.format(new Date(at));
}

/** "17:50" */
export function minuteTime(at: string | Date): string {
  return minutesOnly.format(new Date(at));
}

export function clockTime(at: string | Date): string {
  return timeOnly.format(new Date(at));
}

/** The first part of a UUID, enough to tell jobs apart. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** What a job is called: its name, or else its command. */
export function titleOf(job: { name: string | null; command: string; arguments?: string[] }): string {
  return job.name ?? [job.command, ...(job.arguments ?? [])].join(' ').slice(0, 200);
}

/** RUNNING → Running, SYNC_FAILED → Sync failed. */
export function words(constant: string): string {
  return constant.charAt(0) + constant.slice(1).toLowerCase().replaceAll('_', ' ');
}
