/**
 * The heap flags of every process of the shop. New objects get 32 MB in place of 128 (two semi-spaces of 16), which halves
 * the memory under load; the heap is limited, so that a leak ends one process and not the machine. `package.json` and
 * `Dockerfile`, which cannot import this, repeat them (a test compares them); a container's own limit is in func.yaml.
 */
export const heapFlags = { 'max-semi-space-size': 16, 'max-old-space-size': 512 };
