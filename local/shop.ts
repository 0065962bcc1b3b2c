import { existsSync, readdirSync, rmSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import path from 'node:path';
import { parseFaults } from '#local/broker/faults.ts';
import { announceShop, forgetShop, runningShop } from '#local/lock.ts';
import { readOptions, type Options } from '#local/options.ts';
import { checkPorts, describe } from '#local/ports.ts';
import { localSecrets, type Secrets } from '#local/secrets.ts';
import { smtpUrlOf, startDatabase, startMail, type Stop } from '#local/servers.ts';
import type { Running, Wiring } from '#local/wiring.ts';

/** What has to be stopped: the functions first, because they need the servers to finish. */
interface Stops {
  functions: Stop[];
  servers: Stop[];
}

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Runs the whole shop on this machine until Ctrl-C or SIGTERM. */
export async function runShop(args: string[]): Promise<void> {
  const options = readOptions(args);
  const stops: Stops = { functions: [], servers: [] };
  const end = async (code: number) => {
    // the functions need the servers until they have finished what is in flight
    for (const stop of [...stops.functions.toReversed(), ...stops.servers]) {
      await stop().catch((error: unknown) => {
        say(describe(error));
        code = 1;
      });
    }
    process.exit(code);
  };
  const ended = new Promise<void>((resolve) => {
    process.on('SIGINT', () => resolve());
    process.on('SIGTERM', () => resolve());
  });
  try {
    // a signal during the start ends it as soon as what is being started can be stopped
    await Promise.race([start(options, stops), ended]);
  } catch (error) {
    process.stderr.write(`${describe(error)}\n`);
    await end(1);
  }
  await ended;
  say('Stopping: finishing what is in flight.');
  await end(0);
}

async function start(options: Options, stops: Stops): Promise<void> {
  const { port, brokerPort, metricsPort, dataDir, adminEmail } = options;
  const began = performance.now();
  const other = runningShop(dataDir);
  if (other) throw new Error(`A shop is already running on ${dataDir} (process ${other.pid}, ${other.url}).`);
  await checkPorts({ PORT: port, BROKER_PORT: brokerPort, ...(metricsPort && { METRICS_PORT: metricsPort }) });
  if (options.fresh) removeData(dataDir);
  if (!existsSync(dataDir)) say('First start: creating a database …');
  const secrets = localSecrets(dataDir);
  const adminPassword = options.adminPassword ?? secrets.adminPassword;
  Object.assign(process.env, {
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'error',
    ...keysIn(secrets),
    CURSOR_KEY: secrets.CURSOR_KEY,
    K_SINK: `http://127.0.0.1:${brokerPort}/shop/default`,
    SMTP_URL: smtpUrlOf(options),
    DATA_DIR: dataDir,
  });
  // the first order does not wait for the mail catcher, which is the slowest to start
  const given = { adminPassword, rolesKey: secrets.DATABASE_ROLES_KEY };
  const [mailUrl] = await Promise.all([startMail(options, stops.servers), openShop(options, given, stops)]);

  const url = `http://127.0.0.1:${port}`;
  const { processes } = options;
  announceShop(dataDir, { pid: process.pid, url, mailUrl, adminEmail, adminPassword, processes });
  stops.functions.push(async () => forgetShop(dataDir));
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  say(`
The shop is ready after ${seconds} s${processes ? ', each function in its own process' : ''}.

  page     ${url}
  API      ${url}/v1
  mails    ${mailUrl ?? `sent to ${smtpUrlOf(options)}`}
  broker   ${process.env['K_SINK']}${metricsPort ? `\n  metrics  http://127.0.0.1:${metricsPort}/metrics` : ''}
  data     ${dataDir}  (admin ${adminEmail}, password in shop.json there)

Ctrl-C stops it.`);
  // otherwise the compile cache is written only at a clean exit, and a shop may be killed
  flushCompileCache();
}

interface Given {
  adminPassword: string;
  rolesKey: string;
}

async function openShop(options: Options, { adminPassword, rolesKey }: Given, stops: Stops): Promise<void> {
  const ownerUrl = await startDatabase(options, stops.servers);
  const [{ migrate }, { ensureAdmin }, { roleOfAll, roleUrl, setRolePasswords }] = await Promise.all([
    import('#database/migrate.ts'),
    import('#database/admin.ts'),
    import('#database/roles.ts'),
  ]);
  await migrate(ownerUrl, { report: say });
  await setRolePasswords(ownerUrl, rolesKey);
  await ensureAdmin(ownerUrl, options.adminEmail, adminPassword);
  // no function sees the owner's URL
  process.env['DATABASE_URL'] = roleUrl(ownerUrl, rolesKey, roleOfAll);
  const running = await startFunctions(options, (role) => roleUrl(ownerUrl, rolesKey, role));
  let taking = Promise.resolve();
  process.on('SIGUSR2', () => {
    taking = takeNewKeys(options, running, taking).catch((error: unknown) => {
      // the shop continues with its current keys
      say(`Not every function has new keys. ${describe(error)}`);
    });
  });
  stops.functions.push(() => running.stop());
  const everyMinute = setInterval(() => void running.sweep().catch(() => undefined), 60_000);
  stops.functions.push(async () => clearInterval(everyMinute));
}

function removeData(dataDir: string): void {
  // a wrong setting must not delete unrelated files
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0 && !existsSync(path.join(dataDir, 'secrets.json'))) {
    throw new Error(`${dataDir} (DATA_DIR) contains no shop's data, so --fresh does not remove it.`);
  }
  rmSync(dataDir, { recursive: true, force: true });
}

const keysIn = ({ EVENT_KEYS, TOKEN_PRIVATE_KEY, TOKEN_PUBLIC_KEYS }: Secrets) => ({
  EVENT_KEYS,
  TOKEN_PRIVATE_KEY,
  TOKEN_PUBLIC_KEYS,
});

/** After a step of a rotation: replaces the functions, so that each has the current keys. */
async function takeNewKeys({ dataDir }: Options, running: Running, earlier: Promise<void>): Promise<void> {
  // before the wait: a function that the earlier step could not start may need them
  Object.assign(process.env, keysIn(localSecrets(dataDir)));
  await earlier;
  await running.replaceFunctions();
  say('Every function has the keys as they are now.');
}

async function startFunctions(
  { processes, replicas, port, brokerPort, brokerFaults }: Options,
  databaseUrlOf: Wiring['databaseUrlOf'],
): Promise<Running> {
  const faults = brokerFaults === undefined ? undefined : parseFaults(brokerFaults);
  const onRestart = (name: string) => say(`${name} exited and is restarted.`);
  const wiring = { port, brokerPort, replicas, faults, databaseUrlOf, onRestart };
  if (processes) return (await import('#local/processes.ts')).runProcesses(wiring);
  return (await import('#local/one-process.ts')).runOneProcess(wiring);
}
