import { createRequire } from 'node:module';

// Removes what Knative's function runtime does besides serving. The runtime reads these modules once, when it is loaded:
// import this module before it.
const ofRuntime = createRequire(import.meta.resolve('@knative/func-runtime'));

// It tries to read every request as an event, twice, and throws for each that is not one: the adapter reads events.
(ofRuntime('cloudevents') as { HTTP: { isEvent: () => boolean } }).HTTP.isEvent = () => false;

// It wakes 200 times a second for probes that the adapter serves, and 100 times for one metric: an idle function took 2 %
// of a core.
const pathOfProtection = ofRuntime.resolve('overload-protection');
const protect = ofRuntime(pathOfProtection) as (framework: string, options: object) => unknown;
(ofRuntime.cache[pathOfProtection] as NodeModule).exports = (framework: string, options: object) =>
  protect(framework, { ...options, maxEventLoopDelay: 0 });

const metrics = ofRuntime('prom-client') as { collectDefaultMetrics: (options: object) => void };
const { collectDefaultMetrics } = metrics;
metrics.collectDefaultMetrics = (options) => collectDefaultMetrics({ ...options, eventLoopMonitoringPrecision: 100 });
