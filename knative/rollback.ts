// rollback.ts [NAME]: reads `kubectl get ksvc,revision -o json` and prints, for every function or the named one, its
// name and a JSON patch (RFC 6902) that makes the newest ready revision with another image current again. Exits with 1
// if there is none.
import { text } from 'node:stream/consumers';

interface Spec {
  containers: [{ image: string }];
}
interface Item {
  kind: 'Service' | 'Revision';
  metadata: {
    name: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  spec: Spec & { template: { spec: Spec } };
  status?: { conditions?: { type: string; status: string }[] };
}

const { items } = JSON.parse(await text(process.stdin)) as { items: Item[] };
const only = process.argv[2];
const isReady = ({ status }: Item) =>
  status?.conditions?.some(({ type, status: its }) => type === 'Ready' && its === 'True') ?? false;
const generation = ({ metadata }: Item) =>
  Number(metadata.labels?.['serving.knative.dev/configurationGeneration'] ?? 0);

let found = 0;
for (const { kind, metadata, spec } of items) {
  if (kind !== 'Service' || (only && metadata.name !== only)) continue;
  const present = spec.template.spec.containers[0].image;
  const before = items
    .filter(
      (item) => item.kind === 'Revision' && item.metadata.labels?.['serving.knative.dev/service'] === metadata.name,
    )
    .filter((revision) => isReady(revision) && revision.spec.containers[0].image !== present)
    .toSorted((one, other) => generation(other) - generation(one))[0];
  if (!before) continue;
  found += 1;
  const patch = [
    { op: 'replace', path: '/spec/template/spec', value: before.spec },
    // so that the next start deploys again
    ...(metadata.annotations?.['shop/deployed']
      ? [{ op: 'remove', path: '/metadata/annotations/shop~1deployed' }]
      : []),
  ];
  process.stdout.write(`${metadata.name} ${JSON.stringify(patch)}\n`);
}
if (found === 0) process.exitCode = 1;
