import type { IncomingMessage, ServerResponse } from 'node:http';
import { collectDefaultMetrics } from 'prom-client';
import { serveHttp, type HttpServer } from '#platform/http/http-server.ts';
import { registry } from '#platform/telemetry/metrics.ts';
import { settings, wholeNumber } from '#platform/runtime/settings.ts';

/**
 * Serves the metrics of this process at `/metrics`, on a port of their own, which the public cannot reach.
 * Rejects if the port is taken.
 */
export async function serveMetrics(host?: string): Promise<HttpServer | undefined> {
  const { METRICS_PORT } = settings({
    /** Where a process that is not under the function runtime serves its metrics; nowhere if it is not set. */
    METRICS_PORT: wholeNumber(0, 65_535).optional(),
  });
  if (METRICS_PORT === undefined) return undefined;
  collectDefaultMetrics({ register: registry });
  return serveHttp((request, response) => void respond(request, response), {
    port: METRICS_PORT,
    ...(host !== undefined && { host }),
  });
}

async function respond({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
  if (method !== 'GET' || url !== '/metrics') {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics());
}
