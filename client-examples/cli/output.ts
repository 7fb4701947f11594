import { stripVTControlCharacters, styleText } from 'node:util';
import stringWidth from 'string-width';
import type { Out } from './world.ts';

/** One line of JSON: what scripts read, and people who look at it on a terminal. */
export function sayJson(out: Out, value: unknown): void {
  out.write(`${JSON.stringify(value).replaceAll(UNSAFE, escaped)}\n`);
}

/**
 * Of texts by others, what JSON leaves as it is and a terminal obeys: controls of one byte more, what turns the direction of the text, and
 * breaks of lines.
 */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

export function say(out: Out, line: string): void {
  out.write(`${line}\n`);
}

/** A table without lines; with a head only where there is something below it. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const widths = head.map((name, column) => [name, ...rows.map((row) => row[column] ?? '')].map(widthOf)).map(widest);
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => padded(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Lines without colours, each cut to the width of a terminal: one that goes on below is read as two. Files and pipes get them whole. */
export function fitted(lines: string, out: Out): string {
  const { isTTY, columns } = out;
  if (isTTY !== true || columns === undefined) return lines;
  return lines
    .split('\n')
    .map((line) => cutToWidth(line, columns))
    .join('\n');
}

function cutToWidth(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line;
  let room = columns - 1;
  const kept: string[] = [];
  for (const { segment } of new Intl.Segmenter().segment(line)) {
    room -= widthOf(segment);
    if (room < 0) break;
    kept.push(segment);
  }
  return `${kept.join('')}…`;
}

/** Columns of a terminal: colours take none, and some letters two. */
function widthOf(text: string): number {
  return stringWidth(text);
}

/** Not by Math.max(...): a list may have more rows than a call takes arguments. */
function widest(widths: readonly number[]): number {
  return widths.reduce((most, width) => Math.max(most, width), 0);
}

function padded(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - widthOf(cell)));
}

/** Columns under one another: names and values, of which those that are missing are left out. */
export function factsOf(facts: Readonly<Record<string, string | null | undefined>>): string {
  const given = Object.entries(facts).filter((entry): entry is [string, string] => entry[1] != null && entry[1] !== '');
  const width = Math.max(...given.map(([name]) => name.length));
  return given.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

/** Text of others on one line of a terminal: what would move its cursor, change its title, or show it in another order is gone. */
export function plain(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .replaceAll(UNSAFE, '');
}

export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

export type Style = 'green' | 'red' | 'yellow' | 'cyan' | 'dim' | 'bold';

/** Colour where `out` is a terminal and nobody has asked for none (NO_COLOR). */
export function painter(out: Out, environment: Readonly<Record<string, string | undefined>>) {
  const paints = out.isTTY === true && (environment.NO_COLOR ?? '') === '';
  return (style: Style, text: string): string => (paints ? styleText(style, text, { validateStream: false }) : text);
}

/** Such as `3 s`, `12 min`, `5 h`, `2 d` ago. */
export function ageOf(at: string, now: number): string {
  return durationOf((now - Date.parse(at)) / 1_000);
}

/** `seconds`, rounded to the unit that says most. */
export function durationOf(seconds: number): string {
  const rest = Math.max(0, seconds);
  if (rest < 60) return `${Math.round(rest)} s`;
  if (rest < 3_600) return `${Math.round(rest / 60)} min`;
  if (rest < 86_400) return `${(rest / 3_600).toFixed(1)} h`;
  return `${(rest / 86_400).toFixed(1)} d`;
}
