/** A message of a stream of Server-Sent Events. */
export interface StreamMessage {
  id: string;
  event: string;
  data: { at: string; type: string; function: string; id: string; correlationId: string; detail: object };
}

/** A reader of a stream, like the browser's `EventSource`. */
export interface StreamReader {
  status: number;
  headers: Headers;
  messages: StreamMessage[];
  /** The cursor to resume the stream from; set before the first message. */
  lastEventId(): string;
  /** Resolves when the server ends the stream; rejects if the connection is cut. */
  ended: Promise<void>;
  close(): Promise<void>;
}

/** Opens a stream; resolves once the headers have arrived. */
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
  const quietly = ended.catch(() => undefined); // a test may not await its end
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
