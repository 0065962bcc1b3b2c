import { parseArgs } from 'node:util';
import path from 'node:path';
import { z } from 'zod';
import { email } from '#platform/values/email.ts';
import { programSettings, wholeNumber } from '#platform/runtime/settings.ts';
import { password } from '#platform/values/text.ts';

const help = `The shop on this machine: database, broker, mail catcher and every function.

  npm start                  every function in one process
  npm start -- --processes   each function in its own process under the function runtime, as on a cluster
  npm start -- --processes --replicas 2   1 to 4 processes of each function except the storefront
  npm start -- --fresh       start with empty data
  npm start -- --help        this text

Settings (environment): PORT 8080, BROKER_PORT 8090, SMTP_PORT 1025, MAIL_PORT 1080, DATA_DIR .data,
DATABASE_URL and SMTP_URL to use existing servers, ADMIN_EMAIL, ADMIN_PASSWORD, LOG_LEVEL, RATE_LIMIT_*,
METRICS_PORT to serve metrics, OTEL_EXPORTER_OTLP_ENDPOINT to export traces; all are in docs/operations.md.
`;

const port = (standard: number) => wholeNumber(1, 65_535).default(standard);

export interface Options {
  processes: boolean;
  replicas: number;
  fresh: boolean;
  port: number;
  brokerPort: number;
  smtpPort: number;
  mailPort: number;
  metricsPort: number | undefined;
  dataDir: string;
  databaseUrl: string | undefined;
  smtpUrl: string | undefined;
  adminEmail: string;
  adminPassword: string | undefined;
  brokerFaults: string | undefined;
}

/** Reads the command line and the environment; on an error prints one sentence and exits with 1. */
export function readOptions(args: string[]): Options {
  const { processes, replicas, fresh } = readArgs(args);
  const env = programSettings({
    PORT: port(8080),
    BROKER_PORT: port(8090),
    SMTP_PORT: port(1025),
    MAIL_PORT: port(1080),
    METRICS_PORT: wholeNumber(1, 65_535).optional(),
    DATA_DIR: z.string().min(1).default('.data'),
    DATABASE_URL: z.string().optional(),
    SMTP_URL: z.string().optional(),
    ADMIN_EMAIL: email.default('admin@example.com'),
    ADMIN_PASSWORD: password.optional(),
    /** For tests: the faults that the broker injects, see local/broker/faults.ts. */
    BROKER_FAULTS: z.string().optional(),
  });
  return {
    processes,
    replicas,
    fresh,
    port: env.PORT,
    brokerPort: env.BROKER_PORT,
    smtpPort: env.SMTP_PORT,
    mailPort: env.MAIL_PORT,
    metricsPort: env.METRICS_PORT,
    dataDir: path.resolve(env.DATA_DIR),
    databaseUrl: env.DATABASE_URL,
    smtpUrl: env.SMTP_URL,
    adminEmail: env.ADMIN_EMAIL,
    adminPassword: env.ADMIN_PASSWORD,
    brokerFaults: env.BROKER_FAULTS,
  };
}

function readArgs(args: string[]): Pick<Options, 'processes' | 'replicas' | 'fresh'> {
  try {
    const { values } = parseArgs({
      args,
      options: {
        processes: { type: 'boolean', default: false },
        replicas: { type: 'string' },
        fresh: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      process.exit(0);
    }
    const { processes, replicas, fresh } = values;
    if (replicas !== undefined && !processes) throw new Error('--replicas needs --processes.');
    if (!/^[1-4]$/.test(replicas ?? '1')) throw new Error('--replicas takes 1, 2, 3 or 4.');
    return { processes, replicas: Number(replicas ?? 1), fresh };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${help}`);
    return process.exit(1);
  }
}
