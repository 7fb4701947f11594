import { readFile } from 'node:fs/promises';

/** Every place where something is mounted. Empty where the system does not say (it is Linux that does). */
export async function mountPoints(): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return table.split('\n').flatMap((line) => {
    const place = line.split(' ')[4];
    return place === undefined ? [] : [unescaped(place)];
  });
}

/** Spaces and their like stand there as octal numbers. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}
