/** What is stored beside the bytes of an object. */
export interface ObjectHeaders {
  contentType: string;
  contentEncoding?: 'gzip';
}

/** Nobody on the way is to expand what is compressed, nor to take its length away. */
const UNTOUCHED = 'no-transform';

/** As the SDK names them. */
export function headerFields({ contentType, contentEncoding }: ObjectHeaders) {
  const compressed = { ContentEncoding: contentEncoding, CacheControl: UNTOUCHED };
  return { ContentType: contentType, ...(contentEncoding === undefined ? {} : compressed) };
}

/** As they go over the wire. */
export function headerLines({ contentType, contentEncoding }: ObjectHeaders): Record<string, string> {
  if (contentEncoding === undefined) return { 'content-type': contentType };
  return { 'content-type': contentType, 'content-encoding': contentEncoding, 'cache-control': UNTOUCHED };
}
