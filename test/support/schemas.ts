/** An object of Kubernetes. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  status?: object;
}

/** The published schema of a kind: Kubernetes' own, Knative's, CloudNativePG's or the Prometheus operator's. */
export async function schemaOf({ apiVersion, kind }: Manifest) {
  const group = apiVersion.split('/')[0] ?? '';
  const library = group.endsWith('knative.dev')
    ? '@kubernetes-models/knative/'
    : group.endsWith('cnpg.io')
      ? '@kubernetes-models/cloudnative-pg/'
      : group.endsWith('coreos.com')
        ? '@kubernetes-models/prometheus-operator/'
        : 'kubernetes-models/';
  const { [kind]: Model } = (await import(`${library}${apiVersion}/${kind}`)) as Record<
    string,
    new (manifest: Manifest) => { validate(): void }
  >;
  if (!Model) throw new Error(`there is no schema of ${apiVersion} ${kind}`);
  return Model;
}
