/** What was so at a moment (milliseconds), one value for each line. */
export interface Point {
  at: number;
  values: number[];
}
