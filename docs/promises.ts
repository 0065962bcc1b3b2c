// What the shop promises. A comment `// promise: <key>` above a test, or in the description of a Postman request, marks
// the test that proves a promise; `npm run promises` writes docs/promises.md from both.

/** The promises by section; the key names a promise in the marks. */
export const promises: Record<string, Record<string, string>> = {
  'The two-order scenario': {
    health: 'The shop reports whether it is ready',
    registration: 'A customer registers once per e-mail address, logs in and gets exactly one account, empty',
    deposit: 'A deposit raises the balance once per Idempotency-Key, with one ledger entry',
    'order-paid': 'An affordable order is accepted, then paid',
    'charged-once': 'A paid order is charged exactly once',
    'paid-mail': 'A paid order is confirmed by one mail that states the amount',
    'order-rejected': 'An order that exceeds the balance is rejected with the reason',
    'rejected-not-charged': 'A rejected order is not charged',
    'rejected-mail': 'A rejected order is explained by one mail',
    'scenario-complete': 'At the end the ledger balances, there are no dead letters, and every timeline is complete',
  },
  'Orders, money and failures': {
    'exact-balance': 'An order for exactly the balance is paid',
    'idempotency-key': 'One Idempotency-Key makes one order; the same key with another body is refused',
    'concurrent-orders': 'Concurrent orders never spend the same money twice',
    redelivery: 'An event delivered five times takes effect once',
    'order-before-account': 'An order placed before the account is open waits, and is declined after ten minutes',
    'cancel-before-charge': 'An order canceled before its charge is never charged, however late the event arrives',
    'cancel-paid-order': 'A canceled order that was paid is refunded exactly once',
    'cancel-during-charge': 'An order canceled while its charge holds the lock is refunded exactly once',
    'repeated-cancel': 'A repeated cancel cancels once; a rejected order cannot be canceled',
    'charge-redelivered-after-cancel':
      'A charge event redelivered after the cancel gets the same reply and causes no second mail',
    'unreadable-events':
      'Unreadable events are parked with the error, unknown types are ignored, additional fields are accepted',
    'event-versions': 'A new version of an event can be produced alongside the old one',
    'database-outage': 'A database outage is retried and never turns into a decline',
    failover: 'A failover of Postgres to a synchronous standby loses no accepted order and charges none twice',
    'lost-commit': 'A command whose response is lost after its commit takes effect once',
    'killed-mid-step': 'Every order is settled once when functions, or the whole shop, are killed mid-step',
    'broker-outage': 'Orders are accepted while the broker is down, and settled once it is back',
    'back-pressure': 'A durable broker that falls behind gets few events twice, and producers slow down',
    'unique-ids':
      'The id of an event is unique without its source, so no broker takes it for a repetition of another one',
    'killed-at-any-time': 'Every order is settled and notified once, whichever process is killed at whatever time',
    sigterm: 'A process that receives SIGTERM loses no request',
    backup: 'A backup taken under load is consistent, and a shop restored from it continues',
    'lossy-broker': 'Every order is settled and notified on a broker that loses one event in five',
    'mail-outage':
      'Orders are paid while the mail server is down, and one mail follows; a permanent refusal fails at once',
    'dead-letter':
      'A dead letter is listed with its reason, and takes effect once when replayed after the fault is fixed',
    'bulk-replay': 'A bulk replay runs at the requested rate and can be stopped',
    'unsigned-event': 'An event that the shop did not sign has no effect when replayed',
    'foreign-object': 'An object of another customer gets the same 404 as one that does not exist',
    tokens: 'A missing or invalid token gets 401, a token without the admin role 403',
    'invalid-orders': 'Invalid amounts and orders are refused, and nothing is written',
    'no-5xx': 'No input causes a 5xx response',
    paging: 'Pages are stable while rows are inserted; a forged cursor gets 400',
    'rate-limit': 'Requests above the limit get 429 with Retry-After',
    'http-errors':
      'Oversized bodies get 413, other content types 415, unknown routes 404, other methods 405 with Allow',
    'key-rotation': 'Keys are rotated under load without a failed request',
    interleavings: 'Money and orders are correct in every interleaving of two concurrent steps',
  },
  'Edge cases of input, time and load': {
    'upper-case-ids': 'An id in upper case names the same object on every route and in every event',
    'lost-outbox-row': 'An order, a registration or a deposit that lost its outbox row still completes',
    'signed-refusals':
      'Only a refusal signed by its function ends a chain; an interrupted step of a key rotation can be repeated',
    'bulk-replay-of-any-length':
      'A bulk replay of any length publishes every event, and stopping it leaves single replays alone',
    'deleted-user': 'No chain and no mail of a deleted user disappears silently',
    'stream-resumption': 'Resuming a stream after hours does not slow down other customers, whatever the history',
    'list-cost': 'A page of a list has a bounded cost; a cursor is valid for its caller and its list only',
    'guessed-passwords': 'Customers log in and register in time while an attacker guesses passwords',
    'mail-cap':
      'Mails above a recipient’s cap are merged into one digest an hour; none is lost, and no other recipient waits',
    'links-in-mails': 'A customer’s name cannot put a link into a mail',
    'unsigned-events-bounded': 'Unsigned events are stored up to a bounded size and number',
    'clock-skew': 'A function whose clock is an hour off still orders, signs and sends mails correctly',
    'migration-during-backup': 'A migration during a backup delays no order by more than half a second',
    administrator: 'There is exactly one administrator, set in the settings, and it cannot order, deposit or cancel',
    'mail-deadline': 'An attempt to send a mail has one deadline and closes its connection',
    verification: 'The administrator can verify every invariant of a running shop',
    'email-addresses':
      'An e-mail address may use all of RFC 5322 and an international domain, and names one customer in every spelling',
    'unicode-passwords': 'A password matches in every Unicode composition',
    'http-headers':
      'Later versions of traceparent continue the trace; JSON is accepted under every common name of UTF-8',
    'external-events': 'An external event is parsed as CloudEvents specifies, and stored and replayed byte for byte',
    poolers: 'A pooler in session mode works like Postgres; an unsuitable pooler or system is refused in one sentence',
  },
  'On Knative': {
    'one-postgres-per-volume':
      'Two Postgres servers never run on one volume, even after a forced delete (on a cluster: `./shop.sh faults`)',
    'container-sigterm': 'A container ends on SIGTERM, even during its start',
    'caller-addresses':
      'Two callers count as two addresses, whatever headers they forge (on a cluster: `./shop.sh faults`)',
    'postgres-sizes':
      'Postgres has connections for every function at its largest scale, and a volume that its write-ahead log cannot fill',
    'shop-sh': '`shop.sh` uses one context, removes only what it created, and completes an interrupted start',
    'broker-conformance': 'The local broker behaves like Knative’s, case by case',
  },
  'The page': {
    'page-scenario': 'The two-order scenario can be clicked through, and every event is drawn as it happens',
    'page-retries': 'Retries and dead letters are visible',
    'page-lost-response': 'A deposit whose response is lost is made once',
    accessibility: 'Everything works with a keyboard, a screen reader and a phone',
    'page-offline': 'The page works offline, loads little, and allows only its own files',
    logout: 'Logging out forgets the customer',
  },
  'OWASP API Security Top 10 (2023)': {
    'owasp-api1': 'API1 Broken object level authorization: every query carries the caller’s id',
    'owasp-api2':
      'API2 Broken authentication: argon2id, one response and one cost for every failed log-in, limits, short-lived tokens, keys that rotate',
    'owasp-api3':
      'API3 Broken object property level authorization: unknown fields have no effect, and each function’s database role reads and writes only its own columns',
    'owasp-api4': 'API4 Unrestricted resource consumption: rates, sizes, times and expensive work are bounded',
    'owasp-api5':
      'API5 Broken function level authorization: admin routes check the role, and functions check the token again',
    'owasp-api6':
      'API6 Unrestricted access to sensitive business flows: registrations are limited, money moves once per key and never below zero',
    'owasp-api7': 'API7 Server side request forgery: no address from a caller is ever requested',
    'owasp-api8':
      'API8 Security misconfiguration: security headers, no other origin, no causes in responses, no secrets in files, least privilege',
    'owasp-api9':
      'API9 Improper inventory management: one public service, every event and function wired and documented',
    'owasp-api10':
      'API10 Unsafe consumption of APIs: events are accepted only with the shop’s signature and a valid schema; replies of mail servers and brokers are untrusted',
  },
};
