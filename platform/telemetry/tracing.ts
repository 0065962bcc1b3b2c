/**
 * Exports traces if the standard environment variables of OpenTelemetry name a receiver
 * (`OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`); otherwise nothing of the exporter is loaded. The returned function sends the rest
 * and stops.
 */
export async function startTracing(): Promise<() => Promise<void>> {
  const { env } = process;
  const endpoint = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const isOff = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none';
  if (!endpoint || isOff) return async () => undefined;
  return (await import('#platform/telemetry/span-export.ts')).exportSpans();
}
