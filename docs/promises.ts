// What the shop promises. A comment `// promise: <key>` above a test, or in the description of a Postman request, marks
// the test that proves a promise; `npm run promises` writes docs/promises.md from both.

/** The promises by section; the key names a promise in the marks. */
export const promises: Record<string, Record<string, string>> = {
  'The two-order scenario': {
    'before-begins-shop-says': 'The shop reports whether it is ready',
    'customer-registers-once-e':
      'A customer registers once per e-mail address, logs in and gets exactly one account, empty',
    'deposit-raises-balance-once': 'A deposit raises the balance once per Idempotency-Key, with one ledger entry',
    'affordable-order-accepted-then': 'An affordable order is accepted, then paid',
    'charged-exactly-once': 'A paid order is charged exactly once',
    'customer-told-mail-amount': 'A paid order is confirmed by one mail that states the amount',
    'order-balance-cover-rejected': 'An order that exceeds the balance is rejected with the reason',
    charged: 'A rejected order is not charged',
    'customer-told-why-mail': 'A rejected order is explained by one mail',
    'end-books-balance-nothing':
      'At the end the ledger balances, there are no dead letters, and every timeline is complete',
  },
  'Orders, money and failures': {
    'order-exactly-balance-paid': 'An order for exactly the balance is paid',
    'idempotency-key-order-another': 'One Idempotency-Key makes one order; the same key with another body is refused',
    'orders-once-never-spend': 'Concurrent orders never spend the same money twice',
    'event-delivered-five-times': 'An event delivered five times takes effect once',
    'order-comes-before-account': 'An order placed before the account is open waits, and is declined after ten minutes',
    'cancel-came-before-charge': 'An order canceled before its charge is never charged, however late the event arrives',
    'cancel-paid-order-exactly': 'A canceled order that was paid is refunded exactly once',
    'cancel-while-charge-holds': 'An order canceled while its charge holds the lock is refunded exactly once',
    'cancel-repeated-cancel-rejected': 'A repeated cancel cancels once; a rejected order cannot be canceled',
    'charges-event-again-after':
      'A charge event redelivered after the cancel gets the same reply and causes no second mail',
    'cannot-read-parked-once':
      'Unreadable events are parked with the error, unknown types are ignored, additional fields are accepted',
    'new-version-event-can': 'A new version of an event can be produced alongside the old one',
    'trouble-database-retried-never': 'A database outage is retried and never turns into a decline',
    'function-killed-middle-all': 'Every order is settled once when functions, or the whole shop, are killed mid-step',
    'while-broker-down-orders': 'Orders are accepted while the broker is down, and settled once it is back',
    'whoever-killed-any-moment':
      'Every order is settled and notified once, whichever process is killed at whatever time',
    'process-asked-end-loses': 'A process that receives SIGTERM loses no request',
    'backup-taken-under-load': 'A backup taken under load is consistent, and a shop restored from it continues',
    'broker-loses-event-five': 'Every order is settled and notified on a broker that loses one event in five',
    'while-mail-server-down':
      'Orders are paid while the mail server is down, and one mail follows; a permanent refusal fails at once',
    'parked-event-listed-reason':
      'A dead letter is listed with its reason, and takes effect once when replayed after the fault is fixed',
    'all-parked-replayed-rate': 'A bulk replay runs at the requested rate and can be stopped',
    'event-shop-did-sign': 'An event that the shop did not sign has no effect when replayed',
    'somebody-elses-found-answer': 'An object of another customer gets the same 404 as one that does not exist',
    'token-bad-none-administrator': 'A missing or invalid token gets 401, a token without the admin role 403',
    'amounts-orders-make-sense': 'Invalid amounts and orders are refused, and nothing is written',
    'input-answered-5xx': 'No input causes a 5xx response',
    'pages-stable-while-rows': 'Pages are stable while rows are inserted; a forged cursor gets 400',
    'asks-too-often-gets': 'Requests above the limit get 429 with Retry-After',
    'too-large-413-another':
      'Oversized bodies get 413, other content types 415, unknown routes 404, other methods 405 with Allow',
    'keys-rotated-while-customers': 'Keys are rotated under load without a failed request',
    'whatever-step-comes-while': 'Money and orders are correct in every interleaving of two concurrent steps',
  },
  'Edge cases of input, time and load': {
    'id-capitals-same-id': 'An id in upper case names the same object on every route and in every event',
    'order-registration-deposit-has': 'An order, a registration or a deposit that lost its outbox row still completes',
    'only-refusal-function-has':
      'Only a refusal signed by its function ends a chain; an interrupted step of a key rotation can be repeated',
    'bulk-replay-any-length':
      'A bulk replay of any length publishes every event, and stopping it leaves single replays alone',
    'user-deleted-takes-chain': 'No chain and no mail of a deleted user disappears silently',
    'stream-taken-up-again': 'Resuming a stream after hours does not slow down other customers, whatever the history',
    'list-costs-same-however':
      'A page of a list has a bounded cost; a cursor is valid for its caller and its list only',
    'customers-log-register-time': 'Customers log in and register in time while an attacker guesses passwords',
    'mails-above-recipients-cap':
      'Mails above a recipient’s cap are merged into one digest an hour; none is lost, and no other recipient waits',
    'link-gets-into-mail': 'A customer’s name cannot put a link into a mail',
    'posted-unsigned-bounded-size': 'Unsigned events are stored up to a bounded size and number',
    'function-whose-clock-hour': 'A function whose clock is an hour off still orders, signs and sends mails correctly',
    'migration-beside-backup-holds': 'A migration during a backup delays no order by more than half a second',
    'administrator-settings-neither-orders':
      'There is exactly one administrator, set in the settings, and it cannot order, deposit or cancel',
    'attempt-send-mail-has': 'An attempt to send a mail has one deadline and closes its connection',
    'administrator-can-verify-every': 'The administrator can verify every invariant of a running shop',
    'e-mail-may-have':
      'An e-mail address may use all of RFC 5322 and an international domain, and names one customer in every spelling',
    'password-right-however-letters': 'A password matches in every Unicode composition',
    'trace-goes-from-later':
      'Later versions of traceparent continue the trace; JSON is accepted under every common name of UTF-8',
    'event-from-outside-read':
      'An external event is parsed as CloudEvents specifies, and stored and replayed byte for byte',
    'pooler-session-mode-good':
      'A pooler in session mode works like Postgres; an unsuitable pooler or system is refused in one sentence',
  },
  'On Knative': {
    'two-servers-never-run':
      'Two Postgres servers never run on one volume, even after a forced delete (on a cluster: `./shop.sh faults`)',
    'container-asked-end-so': 'A container ends on SIGTERM, even during its start',
    'two-callers-two-addresses':
      'Two callers count as two addresses, whatever headers they forge (on a cluster: `./shop.sh faults`)',
    'connections-every-function-largest':
      'Postgres has connections for every function at its largest scale, and a volume that its write-ahead log cannot fill',
    'shop-sh-touches-context':
      '`shop.sh` uses one context, removes only what it created, and completes an interrupted start',
    'local-broker-knatives-case': 'The local broker behaves like Knative’s, case by case',
  },
  'The page': {
    'story-orders-can-clicked': 'The two-order scenario can be clicked through, and every event is drawn as it happens',
    'repeats-parked-can-seen': 'Retries and dead letters are visible',
    'deposit-whose-answer-got': 'A deposit whose response is lost is made once',
    'whoever-uses-keyboard-screen': 'Everything works with a keyboard, a screen reader and a phone',
    'works-offline-loads-little': 'The page works offline, loads little, and allows only its own files',
    'logging-out-forgets': 'Logging out forgets the customer',
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
