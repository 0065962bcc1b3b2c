// npm run manifests: writes the generated manifests, for `kubectl apply -k`: a Knative service per function
// (knative/services), equal to what `func deploy` creates, an EventType per event (knative/event-types), and the list of
// the Triggers. With --check it writes nothing and exits with 1 if a file differs.
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { readTopology } from '#events/topology/topology.ts';
import { functionNames } from '#local/functions.ts';
import type { EventContract } from '#platform/events/event.ts';
import { funcYamlOf } from './func-yaml.ts';

const note = '# Made by `npm run manifests`; do not edit.\n';

/** The Knative service that `func deploy` creates from a func.yaml: func 0.50, pkg/deployers/knative. */
function serviceOf(name: string) {
  const { run, deploy } = funcYamlOf(name);
  const { scale, resources } = deploy.options;
  const { concurrency, ...limits } = resources.limits;
  const labels = {
    'boson.dev/function': 'true',
    'function.knative.dev/name': name,
    'function.knative.dev/runtime': 'node',
    ...Object.fromEntries(deploy.labels.map(({ key, value }) => [key, value])),
  };
  const deployer = { 'function.knative.dev/deployer': 'knative' };
  const probe = (path: string) => ({ httpGet: { path, port: 8080 } });
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop', labels, annotations: deployer },
    spec: {
      template: {
        metadata: {
          labels,
          annotations: {
            ...deployer,
            'autoscaling.knative.dev/min-scale': String(scale.min),
            'autoscaling.knative.dev/max-scale': String(scale.max),
            'autoscaling.knative.dev/metric': scale.metric,
            'autoscaling.knative.dev/target': scale.target.toFixed(6),
            ...(scale.utilization && {
              'autoscaling.knative.dev/target-utilization-percentage': scale.utilization.toFixed(6),
            }),
          },
        },
        spec: {
          containerConcurrency: concurrency,
          containers: [
            {
              name: 'user-container',
              image: 'shop',
              env: [...run.envs.map(variable), { name: 'ADDRESS', value: '0.0.0.0' }],
              livenessProbe: probe(deploy.healthEndpoints.liveness),
              readinessProbe: probe(deploy.healthEndpoints.readiness),
              resources: { requests: resources.requests, limits },
              securityContext: {
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'] },
                runAsNonRoot: true,
                seccompProfile: { type: 'RuntimeDefault' },
              },
            },
          ],
        },
      },
    },
  };
}

/** `{{ secret:name:key }}` and `{{ configMap:name:key }}` as references of Kubernetes; any other value unchanged. */
function variable({ name, value }: { name: string; value: string }) {
  const [, kind, object, key] = /^\{\{ (secret|configMap):([\w-]+):([\w-]+) \}\}$/.exec(value) ?? [];
  if (!kind) return { name, value };
  return { name, valueFrom: { [`${kind}KeyRef`]: { name: object, key } } };
}

function eventTypeOf({ type, source, summary }: EventContract) {
  const attribute = (name: string, value?: string) => ({ name, required: true, ...(value && { value }) });
  return {
    apiVersion: 'eventing.knative.dev/v1beta3',
    kind: 'EventType',
    metadata: { name: type.replaceAll('_', '-'), namespace: 'shop' },
    spec: {
      reference: { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', name: 'default' },
      description: `${summary} The schema of its data: /asyncapi.json of the shop.`,
      attributes: [
        attribute('specversion', '1.0'),
        attribute('type', type),
        attribute('source', source),
        ...['id', 'subject', 'time', 'correlationid', 'causationid', 'partitionkey', 'signature'].map((name) =>
          attribute(name),
        ),
      ],
    },
  };
}

/** The kustomization of `broker/`: the Broker, every Trigger, and the SinkBinding. */
const brokerKustomization = () => {
  const resources = globSync('*.yaml', { cwd: 'broker' }).filter((file) => file !== 'kustomization.yaml');
  return { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources: resources.toSorted() };
};

const documents = (all: object[]) =>
  note +
  all.map((one) => stringify(one, { lineWidth: 0, singleQuote: true, aliasDuplicateObjects: false })).join('---\n');
const made = {
  'knative/services/services.yaml': documents(functionNames.map(serviceOf)),
  'broker/kustomization.yaml': documents([brokerKustomization()]),
  'knative/event-types/event-types.yaml': documents((await readTopology()).contracts.map(eventTypeOf)),
};
const isCheck = process.argv.includes('--check');
for (const [file, text] of Object.entries(made)) {
  if (!isCheck) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is out of date: run npm run manifests\n`);
    process.exitCode = 1;
  }
}
