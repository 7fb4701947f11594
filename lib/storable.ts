/** `text` as databases and JSON can hold it: no zero characters, and no half of a surrogate pair, such as cutting leaves. */
export function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}
