/** The text of an answer as it comes. */
export interface TextStream {
  /** Everything so far, once this part of it has come. */
  until(part: string): Promise<string>;
  /** Everything; rejects when the answer breaks off. */
  end(): Promise<string>;
  leave(): Promise<void>;
}

export function readStream(response: Response): TextStream {
  if (response.body === null) throw new Error('the answer has no body');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  return {
    async until(part) {
      while (!text.includes(part)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`the stream has ended without ${JSON.stringify(part)}: ${text}`);
        text += value;
      }
      return text;
    },
    async end() {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return text;
        text += value;
      }
    },
    leave: () => reader.cancel(),
  };
}
