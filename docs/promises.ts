// What the shop promises. The tests that prove a promise are marked with its name, `// promise: <name>` above the test (in the
// Postman collection: in its description); `npm run promises` writes docs/promises.md from both.

/** The promises by section; the key names a promise in the marks. */
export const promises: Record<string, Record<string, string>> = {
  'The story of two orders': {
    'before-begins-shop-says': 'Before it begins, the shop says whether it is ready',
    'customer-registers-once-e': 'A customer registers once an e-mail, logs in, and gets exactly one empty account',
    'deposit-raises-balance-once': 'A deposit raises the balance once a key, by one entry',
    'affordable-order-accepted-then': 'An affordable order is accepted and then paid',
    'charged-exactly-once': 'It is charged exactly once',
    'customer-told-mail-amount': 'The customer is told of it by one mail, with the amount',
    'order-balance-cover-rejected': 'An order that the balance does not cover is rejected with the reason',
    charged: 'It is not charged',
    'customer-told-why-mail': 'The customer is told why by one mail',
    'end-books-balance-nothing': 'At the end the books balance, nothing was parked, and each order’s story is complete',
  },
  'When something is different': {
    'order-exactly-balance-paid': 'An order for exactly the balance is paid',
    'idempotency-key-order-another':
      'One Idempotency-Key is one order; with another body it is refused; another key is another order',
    'orders-once-never-spend': 'Orders at once never spend money twice',
    'event-delivered-five-times': 'An event that is delivered five times has its effect once',
    'order-comes-before-account': 'An order that comes before its account waits; after ten minutes it is declined',
    'cancel-came-before-charge': 'A cancel that came before the charge: never charged, however late the event comes',
    'cancel-paid-order-exactly': 'A cancel of a paid order: exactly one refund',
    'cancel-while-charge-holds': 'A cancel while the charge holds its lock: exactly one refund',
    'cancel-repeated-cancel-rejected': 'A cancel that is repeated is one cancel; a rejected order cannot be canceled',
    'charges-event-again-after': 'The charge’s event again after the cancel of a paid order: the same answer, one mail',
    'cannot-read-parked-once':
      'What cannot be read is parked at once with its error; a type that nobody knows is ignored; added fields are accepted',
    'new-version-event-can': 'A new version of an event can be told beside the old one',
    'trouble-database-retried-never': 'Trouble of the database is retried and never shown as a lack of money',
    'function-killed-middle-all':
      'A function that is killed in the middle, or all of them: every order is decided once',
    'while-broker-down-orders': 'While the broker is down orders are accepted, and decided once it is back',
    'whoever-killed-any-moment':
      'Whoever is killed at any moment, as chance has it: every order is decided and told once',
    'process-asked-end-loses': 'A process that is asked to end loses no request',
    'backup-taken-under-load': 'A backup taken under load is one moment of the shop, and a shop on it goes on',
    'broker-loses-event-five': 'On a broker that loses one event in five every order is decided and told',
    'while-mail-server-down':
      'While the mail server is down orders are paid, and one mail follows; what it refuses has failed at once',
    'parked-event-listed-reason':
      'A parked event is listed with its reason, and takes effect once when it is replayed after the fault is gone',
    'all-parked-replayed-rate':
      'All that is parked is replayed at the rate that was asked for, and that can be stopped',
    'event-shop-did-sign': 'An event that the shop did not sign stays without effect when it is replayed',
    'somebody-elses-found-answer': 'What is somebody else’s is not found, with the answer of what is not there',
    'token-bad-none-administrator': 'No token, a bad one, or none of an administrator: 401 and 403',
    'amounts-orders-make-sense': 'Amounts and orders that make no sense are refused, and nothing is written',
    'input-answered-5xx': 'No input is answered by 5xx',
    'pages-stable-while-rows': 'Pages are stable while rows are added; a cursor that is none of ours is 400',
    'asks-too-often-gets': 'Who asks too often gets 429 and is told when to come again',
    'too-large-413-another':
      'Too large is 413, another content type 415, an unknown route 404, another method 405 with Allow',
    'keys-rotated-while-customers': 'Keys are rotated while customers order, without a failed request',
    'whatever-step-comes-while':
      'Whatever step comes while another one is in the middle of its statement, money and orders are right',
  },
  'Whatever a customer, a clock or a queue does': {
    'id-capitals-same-id':
      'An id in capitals is the same id: its order is canceled, refunded and notified once, and found by every route',
    'order-registration-deposit-has':
      'An order, a registration or a deposit that has lost its outbox row ends all the same',
    'only-refusal-function-has':
      'Only a refusal that its function has signed ends a chain; a step of a key rotation can be run again wherever it stopped',
    'bulk-replay-any-length':
      'A bulk replay of any length publishes every event, and stopping it leaves alone what is replayed by itself',
    'user-deleted-takes-chain': 'A user who is deleted takes no chain and no mail with them unnoticed',
    'stream-taken-up-again':
      'A stream that is taken up again after hours, by a customer with 300,000 orders, costs the others nothing',
    'list-costs-same-however':
      'A list costs the same however long the history and the orders are; a cursor is good for its caller and list alone',
    'customers-log-register-time': 'Customers log in and register in time while passwords are guessed',
    'mails-above-recipients-cap':
      'Mails above a recipient’s cap are gathered into one an hour; none is lost, and nobody else waits',
    'link-gets-into-mail': 'No link gets into a mail by a name',
    'posted-unsigned-bounded-size': 'What is posted unsigned is bounded in size and number',
    'function-whose-clock-hour': 'A function whose clock is an hour off orders, signs and sends mails as the others do',
    'migration-beside-backup-holds': 'A migration beside a backup holds up no order for longer than half a second',
    'administrator-settings-neither-orders':
      'There is one administrator, the one of the settings, who neither orders, deposits nor cancels',
    'attempt-send-mail-has': 'An attempt to send a mail has one deadline, and ends with its connection',
    'administrator-can-verify-every': 'The administrator can verify every invariant of a living shop',
    'e-mail-may-have':
      'An e-mail may have every character of RFC 5322 and a domain of every script, and is one customer however it is written',
    'password-right-however-letters': 'A password is right however its letters are composed',
    'trace-goes-from-later':
      'A trace goes on from a later version of traceparent; JSON is read whatever name of UTF-8 the client uses',
    'event-from-outside-read':
      'An event from outside is read as CloudEvents says, stored byte for byte and replayed exactly as it was',
    'pooler-session-mode-good':
      'A pooler in session mode is as good as Postgres; one that shares sessions, and a system that lacks something, is refused in one sentence',
  },
  'On Knative': {
    'two-servers-never-run':
      'Two servers never run on one volume of Postgres, also after a forced delete (on a cluster: `./shop.sh faults`)',
    'container-asked-end-so': 'A container that is asked to end does so, also in the middle of its start',
    'two-callers-two-addresses':
      'Two callers are two addresses, whatever headers they forge (on a cluster: `./shop.sh faults`)',
    'connections-every-function-largest':
      'There are connections for every function at its largest, and a volume that the write-ahead log cannot fill',
    'shop-sh-touches-context':
      '`shop.sh` touches one context, removes what it has made and nothing else, and completes what was stopped half-way',
    'local-broker-knatives-case': "The local broker does what Knative's does, case by case",
  },
  'The page': {
    'story-orders-can-clicked': 'The story of the orders can be clicked, and each event is drawn as it happens',
    'repeats-parked-can-seen': 'Repeats and what was parked can be seen',
    'deposit-whose-answer-got': 'A deposit whose answer got lost is made once',
    'whoever-uses-keyboard-screen': 'Whoever uses the keyboard, a screen reader or a telephone can do everything',
    'works-offline-loads-little': 'It works offline, loads little, and its policy allows nothing but its own files',
    'logging-out-forgets': 'Logging out forgets who was there',
  },
  'OWASP API Security Top 10 (2023)': {
    'owasp-api1': 'API1 Broken object level authorization: every query carries the caller’s id',
    'owasp-api2':
      'API2 Broken authentication: argon2id, one answer and one cost for every failed log-in, limits, short tokens, keys that can be rotated',
    'owasp-api3':
      'API3 Broken object property level authorization: unknown fields have no effect, and the database lets no function write or read what is not its own',
    'owasp-api4': 'API4 Unrestricted resource consumption: rates, sizes, times and costly work are bounded',
    'owasp-api5':
      'API5 Broken function level authorization: the administrator’s routes, and functions that check the token again',
    'owasp-api6':
      'API6 Unrestricted access to sensitive business flows: registrations are limited, money moves once a key and never below zero',
    'owasp-api7': 'API7 Server side request forgery: no address that a caller gives is called',
    'owasp-api8':
      'API8 Security misconfiguration: headers, no other origin, no causes in answers, no secrets in files, least rights',
    'owasp-api9': 'API9 Improper inventory management: one public service, every event and function wired and known',
    'owasp-api10':
      'API10 Unsafe consumption of APIs: events are taken only as the shop signed them, and by their schema; mail servers and brokers may say what they like',
  },
};
