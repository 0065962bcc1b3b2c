import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectTcp } from 'node:net';
import path from 'node:path';
import { writeFileSync } from 'node:fs';
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { ConsumerMessages, JetStreamClient, JsMsg } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Body, Controller, Headers, HttpCode, Inject, Module, Post } from '@nestjs/common';
import { UnprocessableEntityException } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  EventPattern,
  Payload,
  Server,
  type CustomTransportStrategy,
  type MessageHandler,
} from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type pg from 'pg';
import { isObservable, lastValueFrom } from 'rxjs';
import { readOrder } from '../gateway.ts';
import { charge, createOrder, openPool, settle, type Decision } from '../orders.ts';
import { concurrency, type StartPeer } from '../peer.ts';
import { portsOf, startServer } from '../server.ts';
import { Unavailable } from '../system.ts';

const stream = 'orders';
const subjects = ['order.placed', 'order.decided'];
const POOL = 'POOL';
const BROKER = 'BROKER';

// Node strips types but does not support decorators: each is called as a function.
type OnMethod = (prototype: object, method: string, descriptor: PropertyDescriptor) => unknown;
const on = (target: { prototype: object }, method: string, ...decorators: OnMethod[]) => {
  const { prototype } = target;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method) ?? {};
  for (const decorator of decorators) decorator(prototype, method, descriptor);
  return (...parameters: ParameterDecorator[]) =>
    parameters.forEach((decorator, index) => decorator(prototype, method, index));
};

/** The API and the two event handlers; each commits, publishes, and returns when the broker has confirmed. */
class OrdersController {
  readonly #pool: pg.Pool;
  readonly #broker: JetStreamClient;

  constructor(pool: pg.Pool, broker: JetStreamClient) {
    this.#pool = pool;
    this.#broker = broker;
  }

  async place(body: unknown, headers: IncomingHttpHeaders) {
    const order = readOrder(headers, body);
    if (!order) throw new UnprocessableEntityException();
    await createOrder(this.#pool, order);
    await this.#publish('order.placed', { id: order.id });
    return { id: order.id, status: 'pending' };
  }

  async onPlaced({ id }: { id: string }) {
    await this.#publish('order.decided', { id, decision: await charge(this.#pool, id) });
  }

  async onDecided({ id, decision }: { id: string; decision: Decision }) {
    await settle(this.#pool, id, decision);
  }

  async #publish(subject: string, event: { id: string; decision?: Decision }) {
    await this.#broker.publish(subject, JSON.stringify(event), { msgID: `${event.id} ${subject}` });
  }
}
Controller('v1/orders')(OrdersController);
Inject(POOL)(OrdersController, undefined, 0);
Inject(BROKER)(OrdersController, undefined, 1);
on(OrdersController, 'place', Post(), HttpCode(202))(Body(), Headers());
on(OrdersController, 'onPlaced', EventPattern('order.placed'))(Payload());
on(OrdersController, 'onDecided', EventPattern('order.decided'))(Payload());

/** Nest's own NATS transport stores nothing: JetStream is a custom transporter, as Nest's documentation describes. */
class JetStreamServer extends Server implements CustomTransportStrategy {
  readonly #connection: NatsConnection;
  readonly #consumers: ConsumerMessages[] = [];

  constructor(connection: NatsConnection) {
    super();
    this.#connection = connection;
  }

  async listen(callback: () => void) {
    const manager = await jetstreamManager(this.#connection);
    const client = jetstream(this.#connection);
    for (const [subject, handler] of this.getHandlers()) {
      const name = subject.replace('.', '-');
      await manager.consumers.add(stream, {
        durable_name: name,
        filter_subject: subject,
        ack_policy: AckPolicy.Explicit,
        max_ack_pending: concurrency * 2,
      });
      const messages = await (await client.consumers.get(stream, name)).consume({ max_messages: concurrency * 2 });
      this.#consumers.push(messages);
      void this.#handleAll(messages, handler);
    }
    callback();
  }

  async #handleAll(messages: ConsumerMessages, handler: MessageHandler) {
    for await (const message of messages) void this.#handleOne(message, handler);
  }

  async #handleOne(message: JsMsg, handler: MessageHandler) {
    try {
      const result: unknown = await handler(message.json());
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
      message.ack();
    } catch {
      message.nak(1_000);
    }
  }

  async close() {
    await Promise.all(this.#consumers.map((messages) => messages.close()));
  }

  on() {
    throw new Error('not supported');
  }

  unwrap<T>(): T {
    return this.#connection as T;
  }
}

/**
 * A Nest application on Fastify that both accepts the orders and handles the events. Guarantee: an event is handled at
 * least once after the broker has confirmed it; an order that is committed and not yet published at a crash stays
 * pending.
 */
export const start: StartPeer = async ({ databaseUrl, dataDir }) => {
  // from 2.10 on the broker can sync before it confirms; earlier versions sync within two minutes
  const { major, minor } = brokerVersion();
  const synced = major > 2 || minor >= 10;
  const [port = 0] = await portsOf(dataDir, 1);
  const config = path.join(dataDir, 'nats.conf');
  const store = JSON.stringify(path.join(dataDir, 'jetstream'));
  writeFileSync(
    config,
    `host: 127.0.0.1\nport: ${port}\njetstream { store_dir: ${store}${synced ? ', sync_interval: always' : ''} }\n`,
  );
  const broker = await startServer('nats-server', ['-c', config], { isReady: () => accepts(port) });

  const connection = await connect({ servers: `127.0.0.1:${port}`, maxReconnectAttempts: -1 });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: stream,
    subjects,
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
  });

  const pool = openPool(databaseUrl);
  class AppModule {}
  Module({
    controllers: [OrdersController],
    providers: [
      { provide: POOL, useValue: pool },
      { provide: BROKER, useValue: jetstream(connection) },
    ],
  })(AppModule);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false });
  app.connectMicroservice({ strategy: new JetStreamServer(connection) });
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');

  return {
    url: await app.getUrl(),
    stop: async () => {
      await app.close();
      await connection.close();
      await broker.stop();
      await pool.end();
    },
  };
};

function brokerVersion(): { major: number; minor: number } {
  const { stdout } = spawnSync('nats-server', ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /v(\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  if (major === undefined)
    throw new Unavailable('nats-server is not on the PATH (Debian: apt-get install nats-server).');
  return { major: Number(major), minor: Number(minor) };
}

const accepts = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
