/** A message of a stream of Server-Sent Events. */
export interface StreamMessage {
  id: string;
  event: string;
  data: { at: string; type: string; function: string; id: string; correlationId: string; detail: object };
}

/** A reader of a stream, as a browser's `EventSource` is one. */
export interface StreamReader {
  status: number;
  headers: Headers;
  messages: StreamMessage[];
  /** Where to take the stream up again; also before the first message. */
  lastEventId(): string;
  /** Resolves when the other side has ended the stream; rejects if it was cut. */
  ended: Promise<void>;
  close(): Promise<void>;
}

/** Opens a stream; resolves as soon as the headers are there. */
export async function readStream(url: string, headers: Record<string, string>): Promise<StreamReader> {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  const messages: StreamMessage[] = [];
  let lastEventId = headers['last-event-id'] ?? '';
  const read = async () => {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const blocks = (text + chunk).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = new Map(
          block.split('\n').map((line) => /^(\w*): ?(.*)$/s.exec(line)?.slice(1) as [string, string]),
        );
        lastEventId = fields.get('id') ?? lastEventId;
        const data = fields.get('data');
        if (data === undefined) continue;
        messages.push({
          id: lastEventId,
          event: fields.get('event') ?? '',
          data: JSON.parse(data) as StreamMessage['data'],
        });
      }
    }
  };
  const ended = read();
  const quietly = ended.catch(() => undefined); // nobody may wait for its end
  return {
    status: response.status,
    headers: response.headers,
    messages,
    lastEventId: () => lastEventId,
    ended,
    close: async () => {
      abort.abort();
      await quietly;
    },
  };
}
