import type { serviceRoutes } from '#api/service.ts';
import { statement, type Database } from '#platform/database/database.ts';
import type { BrokerClient } from '#platform/events/broker-client.ts';
import type { RouteHandlers } from './routes.ts';

const cachedMs = 1_000;

interface Report {
  status: 'ready' | 'degraded';
  database: 'up' | 'down';
  broker: 'up' | 'down';
}

interface Parts {
  database: Database;
  broker: BrokerClient;
}

const ping = statement<{ ok: number }>('storefront.ping', 'select 1 as ok');

type HealthRoutes = Pick<typeof serviceRoutes, 'getHealth' | 'getReadiness'>;

/** `/healthz`: this process serves. `/readyz`: a report on what it needs, never a probe. */
export function healthHandlers({ database, broker }: Parts): RouteHandlers<HealthRoutes> {
  let asked: Promise<Report> | undefined;
  let askedAt = -Infinity;

  const isDatabaseReachable = () =>
    database.one(ping).then(
      () => true,
      () => false,
    );

  /** The state of database and broker, read at most once a second. */
  function report(): Promise<Report> {
    if (asked && performance.now() - askedAt < cachedMs) return asked;
    askedAt = performance.now();
    asked = Promise.all([isDatabaseReachable(), broker.isReachable()]).then(([isDatabaseUp, isBrokerUp]) => ({
      status: isDatabaseUp && isBrokerUp ? 'ready' : 'degraded',
      database: isDatabaseUp ? 'up' : 'down',
      broker: isBrokerUp ? 'up' : 'down',
    }));
    return asked;
  }

  return {
    getHealth: () => ({ status: 'ok' }),
    getReadiness: async ({ response }) => {
      const found = await report();
      response.status(found.status === 'ready' ? 200 : 503).json(found);
    },
  };
}
