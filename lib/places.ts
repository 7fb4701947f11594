/** Counts who is in, by name, up to a bound. What nobody is in for costs nothing. */
export interface Places {
  /** @returns gives the place back, however often it is called; undefined when there is none left for this name */
  take(name: string): (() => void) | undefined;
}

export function createPlaces(most: number): Places {
  const counts = new Map<string, number>();
  return {
    take(name) {
      const count = counts.get(name) ?? 0;
      if (count >= most) return undefined;
      counts.set(name, count + 1);
      let isTaken = true;
      return () => {
        if (!isTaken) return;
        isTaken = false;
        const left = (counts.get(name) ?? 0) - 1;
        if (left > 0) counts.set(name, left);
        else counts.delete(name);
      };
    },
  };
}
