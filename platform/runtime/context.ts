import { createClock, type Clock } from '#platform/database/clock.ts';
import { createDatabase, type Database, type DatabasePool } from '#platform/database/database.ts';
import { createBrokerClient, type BrokerClient } from '#platform/events/broker-client.ts';
import { createOutbox, type Outbox } from '#platform/events/outbox.ts';
import { createSigner, type Signer } from '#platform/events/signature.ts';
import { createFunctionClient, type CallFunction } from '#platform/http/function-client.ts';
import { createTokenVerifier, type VerifyToken } from '#platform/http/token.ts';
import { settings } from '#platform/runtime/settings.ts';
import { createPasswords, type Passwords } from '#platform/values/password.ts';
import { createTasks, type Tasks } from '#platform/runtime/tasks.ts';
import { logLevel, logOf } from '#platform/telemetry/log.ts';

/**
 * What a function works with, made once per process from its settings. Each part is made when it is first asked for, so that
 * a function needs the settings of what it uses, and no others.
 */
export interface FunctionContext {
  /** The function; `shop` in a process that serves all of them. */
  readonly name: string;
  readonly log: ReturnType<typeof logOf>;
  readonly clock: Pick<Clock, 'now'>;
  readonly database: Database;
  readonly signer: Signer;
  readonly broker: BrokerClient;
  readonly outbox: Outbox;
  readonly verifyToken: VerifyToken;
  readonly callFunction: CallFunction;
  readonly passwords: Passwords;
  readonly tasks: Tasks;
}

/** The context of a process, with what its start and its end need. */
export interface ProcessContext extends FunctionContext {
  /** The same context for one function. */
  of(name: string): FunctionContext;
  /** Connects to the database, which also sets the clock. */
  connect(): Promise<void>;
  /** Stops the repeated tasks, waits for the others up to `timeoutMs`, and closes the database. */
  close(timeoutMs: number): Promise<void>;
}

/** What a test, or the whole shop in one process, replaces. */
export type Replacements = Partial<Pick<FunctionContext, 'database' | 'broker' | 'callFunction'>>;

/** Makes the context of a process. */
export function createContext(name: string, replaced: Replacements = {}): ProcessContext {
  settings({ LOG_LEVEL: logLevel });
  const clock = createClock();
  const tasks = createTasks();
  let pool: DatabasePool | undefined;
  const openPool = () => (pool ??= createDatabase({ name, clock }));
  const parts = {
    signer: once(createSigner),
    broker: once(() => replaced.broker ?? createBrokerClient()),
    verifyToken: once(() => createTokenVerifier(clock)),
    callFunction: once(() => replaced.callFunction ?? createFunctionClient()),
    passwords: once(createPasswords),
    outbox: once((): Outbox => {
      const { database, broker, signer } = context;
      return createOutbox({ name, database, broker, signer, tasks });
    }),
  };
  const context: ProcessContext = {
    name,
    log: logOf(name),
    clock,
    tasks,
    get database() {
      return replaced.database ?? openPool();
    },
    get signer() {
      return parts.signer();
    },
    get broker() {
      return parts.broker();
    },
    get outbox() {
      return parts.outbox();
    },
    get verifyToken() {
      return parts.verifyToken();
    },
    get callFunction() {
      return parts.callFunction();
    },
    get passwords() {
      return parts.passwords();
    },
    of: (its) =>
      Object.create(context, {
        name: { value: its },
        log: { value: logOf(its) },
      } as PropertyDescriptorMap) as FunctionContext,
    connect: async () => {
      if (!replaced.database) await openPool().connect();
    },
    close: async (timeoutMs) => {
      await tasks.stop();
      await tasks.done(timeoutMs);
      await pool?.close();
    },
  };
  return context;
}

function once<Part>(make: () => Part): () => Part {
  let made: { part: Part } | undefined;
  return () => (made ??= { part: make() }).part;
}
