import { type ComponentType, lazy, type LazyExoticComponent } from 'react';

/** How often it is asked whether the server is there again (milliseconds). */
const ASK_EVERY_MS = 2_000;
/** Whoever was loaded anew more recently than this (milliseconds), and lacks a part again, is not helped by that. */
const ONCE_IN_MS = 30_000;
const LOADED_ANEW = 'kelpie-loaded-anew';

/**
 * A page that is loaded when it is gone to. Where that fails, the server is away, or is another one that has no such part any more: when it
 * answers, all is loaded anew, as long as the reader still waits for it. A browser would not ask again for what a single part is made of.
 */
export function lazily<Props>(load: () => Promise<ComponentType<Props>>): LazyExoticComponent<ComponentType<Props>> {
  return lazy(async () => ({ default: await load().catch(loadAnew) }));
}

async function loadAnew(fault: unknown): Promise<never> {
  const { pathname } = location;
  await serverAnswers();
  const last = Number(sessionStorage.getItem(LOADED_ANEW));
  if (location.pathname !== pathname || Date.now() - last < ONCE_IN_MS) throw fault;
  sessionStorage.setItem(LOADED_ANEW, String(Date.now()));
  location.reload();
  return new Promise(() => undefined);
}

async function serverAnswers(): Promise<void> {
  while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
}

async function isThere(): Promise<boolean> {
  return fetch('/livez', { cache: 'no-store' }).then(
    ({ ok }) => ok,
    () => false,
  );
}
