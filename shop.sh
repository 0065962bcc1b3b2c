#!/usr/bin/env bash
# The shop on Knative: on Minikube, or on an existing cluster. Runs under bash 3.2 with the tools of macOS.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  cat <<'X'
./shop.sh start            installs what is missing, builds the image, deploys every function and waits until everything is ready;
                           over a running shop: upgrades it to this version
./shop.sh start COMPONENT… on a cluster that has what they need: database-ha (CloudNativePG), broker-jetstream or broker-kafka,
                           smtp-external (docs/knative.md); a later start keeps them
./shop.sh test             runs the Postman collection through Kourier
./shop.sh open             opens the page in the browser, until Ctrl-C
./shop.sh verify           checks every invariant of the stored data
./shop.sh deploy NAME      builds the image and deploys one function (kn func deploy)
./shop.sh rollback [NAME]  restores the previous version of every function, or of one; the database keeps its schema
./shop.sh keys STEP        one step of the key rotation: accept, sign, retire (docs/operations.md); after an interruption, run
                           the same step again
./shop.sh faults [OPTIONS] checks caller addresses and scaling, and that no order is lost when pods of Postgres, the broker
                           or the functions are deleted by force (./shop.sh faults --help); not for a shop with customers
./shop.sh alerts           causes what the alerts report, and checks that each fires (needs Prometheus); not for a shop with
                           customers
./shop.sh status           lists what runs
./shop.sh doctor           lists what is missing on this machine and what the cluster has
./shop.sh stop             removes what start created, and nothing else

The shop is on Minikube (profile "shop"), or with --existing on the cluster of kubectl's current context, which must have
Knative with a network layer and a default broker.

Settings (environment):
  NAMESPACE        shop: the namespace on the cluster
  DOMAIN           arch.homework: the public name of the shop
  IMAGE_REGISTRY   where to push the image, as the cluster's nodes see it; required with --existing
  IMAGE            an existing image by digest (name@sha256:…): nothing is built
  IMAGE_BUILD      a command for machines without Docker and Podman: gets the folder and the image's name, builds and
                   pushes, and prints the reference by digest
  NODE_IMAGE       node:24-slim: the base image
  POSTGRES_IMAGE   docker.io/library/postgres:18 (16 to 18); with database-ha an image whose tag starts with the major version
                   (ghcr.io/cloudnative-pg/postgresql:18-standard-trixie), and POSTGRES_UID (26) is its user
  MAIL_IMAGE       docker.io/maildev/maildev:3.0.0; "build" builds it from the npm package (knative/mail-catcher)
  MIN_INSTANCES    1: instances of each function that keeps any, up to 4; a later start keeps it
  PROXY_HOPS       proxies that a request passes: 3 behind Kourier (docs/operations.md)
  POSTGRES_STORAGE, POSTGRES_ACCESS   8Gi and ReadWriteOnce: the volume, at the first start; ReadWriteOncePod where the
                   storage supports it
  INGRESS          kourier-system/kourier: the gateway's service, namespace/name
  ADMIN_EMAIL, ADMIN_PASSWORD   the administrator; a later start replaces it
  SMTP_URL, DATABASE_URL        the mail server and the database, at the first start
  DATABASE_CA      the CA of the certificate of DATABASE_URL's server (PEM text): TLS to the database; a later start keeps it
  MINIKUBE_CPUS, MINIKUBE_MEMORY   4 and 6g, or less if this machine has less (or `minikube config set`)
X
}

namespace=${NAMESPACE:-shop}
domain=${DOMAIN:-arch.homework}
ingress=${INGRESS:-kourier-system/kourier}
profile=shop
kubernetes=v1.34.0
knative=v1.23.0
label=app.kubernetes.io/managed-by=shop.sh
existing=
components=
dir=$(mktemp -d) && dir=$(cd "$dir" && pwd -P) || {
  echo "No temporary folder can be made: set TMPDIR to a writable folder." >&2
  exit 1
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cleanup() {
  local pid
  if [ -e "$dir/children" ]; then
    while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$dir/children"
  fi
  rm -rf "$dir"
}

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }
die() {
  printf '%s\n' "$*" >&2
  exit 1
}
has() { type -P "$1" >/dev/null; } # a program, not a function of this script
now() { date +%s; }

# the Node that npm installed, or the machine's where it installed none
node() {
  if [ -x node_modules/.bin/node ]; then node_modules/.bin/node -r ./local/preload.cjs "$@"
  else command node -r ./local/preload.cjs "$@"; fi
}
json() { node -p "const it = JSON.parse(require('fs').readFileSync(0)); $1"; } # EXPRESSION of `it`, the parsed input
in_shop() { kubectl -n "$namespace" "$@"; }

main() {
  local command=${1:-} step='' argument
  [ $# -eq 0 ] || shift
  if [ "$command" = keys ]; then
    step=${1:-}
    case $step in accept | sign | retire) shift ;; *) die "Which step? ./shop.sh keys accept | sign | retire" ;; esac
  fi
  case $command:${1:-} in
    deploy:* | rollback:[a-z]*)
      step=${1:-}
      case $step in '' | *[!a-z-]*) step=/ ;; esac
      [ -e "functions/$step/index.ts" ] || die "Which function? $(cd functions && echo */ | tr -d /)"
      shift
      ;;
  esac
  case $namespace in '' | *[!a-z0-9-]* | -* | *-) die "NAMESPACE has to be a name of lower-case letters, digits and hyphens." ;; esac
  case $domain in '' | *[!a-z0-9.-]* | .* | *. | *..*) die "DOMAIN has to be a domain name in lower case." ;; esac
  for argument in "$@"; do
    case $argument in
      --existing) existing=yes ;;
      *)
        if [ "$command" = faults ]; then
          options+=("$argument")
          continue
        fi
        [ "$command" = start ] && [ -n "$argument" ] && [ -e "knative/components/${argument//\//}/kustomization.yaml" ] ||
          die "Unknown: $argument. ./shop.sh --help lists the commands. Components: $(cd knative/components && echo *)."
        components="$components $argument"
        ;;
    esac
  done
  components=$(printf '%s\n' $components | sort -u | tr '\n' ' ')
  components=${components% }
  case $components in *broker-jetstream*broker-kafka*) die "A shop has one Broker: broker-jetstream or broker-kafka." ;; esac
  case $command in
    -h | --help | help) usage ;;
    doctor) do_doctor ;;
    start)
      need_tools
      do_start
      ;;
    test | open | verify | deploy | rollback | keys | faults | alerts | status | stop)
      need_tools
      choose_context
      "do_$command"
      ;;
    '')
      usage >&2
      exit 1
      ;;
    *) die "Unknown: $command. ./shop.sh --help lists the commands." ;;
  esac
}

# --- this machine -------------------------------------------------------------------------------------------------

system() {
  case $(uname -s) in
    Darwin) echo macos ;;
    *) if grep -qi microsoft /proc/version 2>/dev/null; then echo wsl; else echo linux; fi ;;
  esac
}

# Lists everything that is missing, with the command that installs it here.
need_tools() {
  local missing
  missing=$(missing_tools)
  [ -z "$missing" ] || die "Missing on this machine:
$missing"
}

missing_tools() {
  local brew=''
  [ "$(system)" != macos ] || brew=yes
  has kubectl || echo "  kubectl: $(how "$brew" 'brew install kubernetes-cli' https://kubernetes.io/docs/tasks)"
  has npm || echo "  Node 24: $(how "$brew" 'brew install node@24' https://nodejs.org)"
  if has npm && [ ! -e node_modules ]; then echo "  the packages of the shop: npm ci"; fi
  case ${command:-} in
    start | deploy | doctor) has func || kn func version >/dev/null 2>&1 ||
      echo "  func: $(how "$brew" 'brew install knative-extensions/kn-plugins/func' https://knative.dev/docs/functions/install-func)" ;;
  esac
  [ -z "$existing" ] || return 0
  has minikube || {
    # a shop on the current cluster is found without --existing
    [ "${command:-}" != start ] && has kubectl && installed_here && return
    [ "${command:-}" = start ] || has minikube || echo "  (the current cluster has no shop in the namespace $namespace, and there is no Minikube)"
    echo "  minikube: $(how "$brew" 'brew install minikube' https://minikube.sigs.k8s.io/docs/start), or use the current cluster with --existing"
  }
}

how() { if [ -n "$1" ]; then echo "$2"; else echo "$3"; fi; } # MACOS? COMMAND PAGE

installed_here() {
  [ "$(kubectl get namespace "$namespace" -o 'jsonpath={.metadata.labels.app\.kubernetes\.io/managed-by}' 2>/dev/null)" = "${label#*=}" ]
}

# Behind a proxy, kubectl and func must still reach the cluster directly.
spare_proxy() {
  [ -n "${HTTP_PROXY:-}${HTTPS_PROXY:-}${http_proxy:-}${https_proxy:-}" ] || return 0
  export NO_PROXY="${NO_PROXY:+$NO_PROXY,}localhost,127.0.0.1,10.96.0.0/12,192.168.0.0/16"
  export no_proxy=$NO_PROXY
}

knative_func() { if has func; then func "$@"; else kn func "$@"; fi; }

# One context for the whole run, also for func, even if the current one changes meanwhile.
use_context() { # CONTEXT
  (umask 077 && kubectl config view --minify --flatten --context "$1" >"$dir/kubeconfig") || die "There is no context $1."
  export KUBECONFIG=$dir/kubeconfig
  spare_proxy
  say "context $1, namespace $namespace"
  [ "$command" = doctor ] || kubectl get --raw=/readyz --request-timeout=10s >/dev/null 2>&1 || die "The cluster of the context $1 does not respond."
}

use_current_context() {
  local context
  context=$(kubectl config current-context 2>/dev/null) || die "kubectl has no current context."
  use_context "$context"
}

# For every command but start: Minikube's profile if it exists, else the current cluster if it has the shop.
choose_context() {
  if [ -z "$existing" ] && ! on_minikube && installed_here; then existing=yes; fi
  if [ -n "$existing" ]; then use_current_context
  elif [ "$command" = stop ]; then :
  elif on_minikube; then use_context "$profile"
  else die "There is no shop in Minikube's profile $profile or on the current cluster: ./shop.sh start comes first."; fi
}

# a profile whose start failed may be listed as valid, but has no context in kubectl
on_minikube() {
  has minikube && kubectl config get-contexts "$profile" >/dev/null 2>&1 || return 1
  minikube profile list -l -o json 2>/dev/null | json "(it.valid ?? []).some((one) => one.Name === '$profile')" 2>/dev/null | grep -q true
}

do_doctor() {
  local tool missing status=0
  say "$(system), $(uname -m)$([ -z "${HTTPS_PROXY:-}${HTTP_PROXY:-}" ] || echo ', behind a proxy')"
  for tool in node npm kubectl func kn minikube docker podman; do
    if has $tool; then say "$tool: $(type -P $tool), $(version_of $tool)"; fi
  done
  missing=$(missing_tools)
  if [ -n "$missing" ]; then
    printf 'Missing:\n%s\n' "$missing"
    status=1
  fi
  has kubectl || return $status
  if [ -z "$existing" ] && on_minikube; then use_context $profile
  elif [ -n "$existing" ] || kubectl config current-context >/dev/null 2>&1; then use_current_context
  else
    say "There is no cluster yet: ./shop.sh start creates one in Minikube."
    return $status
  fi
  if ! kubectl get --raw=/readyz --request-timeout=5s >/dev/null 2>&1; then
    say "The cluster does not respond."
    return 1
  fi
  kubectl get nodes -o json | json "it.items.map(({metadata, status}) => 'node ' + metadata.name + ': ' + status.nodeInfo.architecture + ', Kubernetes ' + status.nodeInfo.kubeletVersion + ', ' + status.allocatable.cpu + ' CPUs, ' + status.allocatable.memory).join('\n')"
  if ! kubectl get crd services.serving.knative.dev brokers.eventing.knative.dev >/dev/null 2>&1; then
    say "Knative is not installed$([ -n "$existing" ] || echo ' yet: ./shop.sh start installs it')."
    return $status
  fi
  say_knative
  if installed_here; then in_shop get ksvc,broker 2>/dev/null || true; else say "The shop is not installed yet."; fi
  return $status
}

version_of() {
  case $1 in
    kubectl) kubectl version --client 2>/dev/null | head -n 1 ;;
    minikube | func | kn) $1 version 2>/dev/null | head -n 1 ;;
    *) command "$1" --version 2>/dev/null | head -n 1 ;;
  esac
}

# What the cluster determines: the network layer, who may send events, and whether passwords are encrypted on the way.
say_knative() {
  say "Knative Serving $(release knative-serving), Eventing $(release knative-eventing)"
  say "network layer: $(config knative-serving config-network ingress-class || echo 'not set')"
  say "default broker: $(config knative-eventing config-br-defaults default-br-config | sed -n 's/.*brokerClass: *//p' | head -n 1)"
  if has_https; then say "HTTPS: Knative obtains certificates for $domain and redirects HTTP to HTTPS"
  else say "HTTPS: off (external-domain-tls), so passwords travel unencrypted: acceptable on this machine only; otherwise install cert-manager and enable it, or terminate TLS in front of the gateway"; fi
  if knows_senders; then say "senders of events: authenticated; knative/event-policy admits only the shop"
  else say "senders of events: any pod of the cluster (authentication-oidc is off); events without the shop's signature are parked"; fi
}
knows_senders() { [ "$(config knative-eventing config-features authentication-oidc | tr '[:upper:]' '[:lower:]')" = enabled ]; }
release() { kubectl get namespace "$1" -o 'jsonpath={.metadata.labels.app\.kubernetes\.io/version}' 2>/dev/null; }
config() { kubectl -n "$1" get configmap "$2" -o "jsonpath={.data.$3}" 2>/dev/null; }

# --- start --------------------------------------------------------------------------------------------------------

do_start() {
  local began image mail='' overlay=${existing:+existing}
  began=$(now)
  overlay=${overlay:-minikube}
  if [ -z "$existing" ]; then
    spare_proxy
    start_minikube
    use_context $profile
    install_knative
  else
    use_current_context
    check_knative
  fi
  own_domain "$domain"
  own_namespace
  own_components
  pass_caller_addresses
  make_secrets
  image=$(image_of shop .)
  say "image $image"
  if [ "${MAIL_IMAGE:-}" = build ]; then mail=$(image_of mail-catcher knative/mail-catcher); else mail=${MAIL_IMAGE:-}; fi

  still_there
  say "database and mail catcher"
  install "$mail" "overlays/$overlay"
  if has_component database-ha; then
    wait_for "Postgres" wait clusters.postgresql.cnpg.io/postgres --for=condition=Ready --timeout=600s
    # the operator creates the CA together with the cluster, and renews it
    DATABASE_CA=$(secret postgres-ca ca.crt)
    export DATABASE_CA
    database_secrets
  else wait_for "Postgres" rollout status statefulset/postgres --timeout=300s; fi
  migrate "$image"
  has_component smtp-external || wait_for "the mail catcher" rollout status deployment/mail-catcher --timeout=180s

  # First the functions that publish nothing: one is the dead letter sink, without which the Broker gets no address, and
  # functions that publish need this address when they are created.
  deploy "$image" no
  still_there
  say "Broker, Triggers, domain and ping"
  if knows_senders; then install "$mail" "overlays/$overlay" ../broker entry event-types event-policy
  else install "$mail" "overlays/$overlay" ../broker entry event-types; fi
  wait_for "the address of the Broker" wait sinkbinding --all --for=condition=Ready --timeout=120s
  deploy "$image" yes
  wait_for "the functions" wait ksvc --all --for=condition=Ready --timeout=180s
  wait_for "the Broker and its Triggers" wait broker,trigger --all --for=condition=Ready --timeout=120s
  wait_for "the domain and the ping" wait domainmapping,pingsource --all --for=condition=Ready --timeout=120s
  say "The shop is ready after $(($(now) - began)) s. Test it: ./shop.sh test. Open the page: ./shop.sh open"
}

start_minikube() {
  if minikube status -p $profile >/dev/null 2>&1; then return; fi
  local cpus memory
  cpus=$(minikube_setting cpus "${MINIKUBE_CPUS:-}" 4)
  memory=$(minikube_setting memory "${MINIKUBE_MEMORY:-}" 6144)
  say "Minikube: profile $profile, Kubernetes $kubernetes, $cpus CPUs, memory $memory"
  minikube start -p $profile --kubernetes-version=$kubernetes --cpus="$cpus" --memory="$memory" ||
    die "Minikube did not start; see its output above. ./shop.sh start continues from here; ./shop.sh stop removes it."
}

# The setting, or what the machine has, up to WANTED.
minikube_setting() { # NAME ENVIRONMENT WANTED
  local set=$2 there
  [ -n "$set" ] || set=$(minikube -p $profile config get "$1" 2>/dev/null || true)
  if [ -n "$set" ]; then
    echo "$set"
    return
  fi
  if [ "$1" = cpus ]; then there=$(machine_has NCPU CPUs 'os.cpus().length')
  else there=$(($(machine_has MemTotal MemTotal 'os.totalmem() - 2 ** 30') / 1048576)); fi
  [ "$there" -ge 1 ] 2>/dev/null || there=$3
  if [ "$1" = cpus ] && [ "$there" -lt 2 ]; then die "Minikube needs 2 CPUs, and this machine has $there."; fi
  if [ "$1" = memory ] && [ "$there" -lt 3500 ]; then die "The shop on Minikube needs 3.5 GB of memory, and there are $there MB. With Docker Desktop: Settings, Resources."; fi
  if [ "$there" -lt "$3" ]; then echo "$there"; else echo "$3"; fi
}

# Where containers run in a virtual machine, its size counts. Docker's client prints 0 if it reaches no daemon. A virtual
# machine of Minikube leaves 1 GB to this machine.
machine_has() { # OF-DOCKER OF-PODMAN EXPRESSION
  local there
  for there in "$(docker info -f "{{.$1}}" 2>/dev/null)" "$(podman info -f "{{.Host.$2}}" 2>/dev/null)" "$(node -p "$3")"; do
    case $there in '' | 0 | *[!0-9]*) ;; *)
      echo "$there"
      return
      ;;
    esac
  done
  echo 0
}

install_knative() {
  local releases=https://github.com/knative part
  # applied last, and labelled with its release
  if [ "$(release knative-eventing)" = "${knative#v}" ] && [ "$(release knative-serving)" = "${knative#v}" ] &&
    kubectl -n knative-eventing get deployment mt-broker-controller >/dev/null 2>&1; then
    for part in knative-serving kourier-system knative-eventing; do ready $part; done
    return
  fi
  say "Knative Serving $knative"
  for part in serving-crds serving-core; do from_release $releases/serving $part; done
  ready knative-serving
  say "Kourier"
  from_release $releases/net-kourier kourier
  kubectl -n knative-serving patch configmap/config-network --type merge \
    -p '{"data":{"ingress-class":"kourier.ingress.networking.knative.dev"}}' >/dev/null
  kubectl -n knative-serving patch configmap/config-domain --type merge -p '{"data":{"example.com":""}}' >/dev/null
  ready kourier-system
  say "Knative Eventing $knative with the in-memory channel and the default broker"
  for part in eventing-crds eventing-core in-memory-channel mt-channel-broker; do from_release $releases/eventing $part; done
  ready knative-eventing
}

# Applies a file of a release. Retries for two minutes: the API server registers new kinds and webhooks get certificates
# with a delay, and downloads fail.
from_release() { # REPOSITORY FILE
  local deadline=$(($(now) + 120))
  until kubectl apply -f "$1/releases/download/knative-$knative/$2.yaml" >"$dir/apply.log" 2>&1; do
    [ "$(now)" -lt "$deadline" ] || {
      cat "$dir/apply.log" >&2
      die "Not installed: $2. ./shop.sh start continues here."
    }
    sleep 3
  done
  case $2 in *-crds) kubectl wait --for=condition=Established --timeout=60s crd --all >/dev/null ;; esac
}

ready() { # NAMESPACE: waits until its deployments are available, webhooks included
  kubectl -n "$1" wait deployment --all --for=condition=Available --timeout=300s >/dev/null ||
    {
      explain "$1"
      die "Not ready: $1"
    }
}

check_knative() {
  kubectl get crd services.serving.knative.dev brokers.eventing.knative.dev >/dev/null 2>&1 ||
    die "The cluster has no Knative Serving and Eventing."
  [ -n "${IMAGE_REGISTRY:-}${IMAGE:-}${IMAGE_BUILD:-}" ] ||
    die "Set IMAGE_REGISTRY to where to push the image (or IMAGE to an existing one)."
  say_knative
  case $(config knative-serving config-network ingress-class) in
    *kourier*) ;;
    *) [ -n "${INGRESS:-}" ] || say "The network layer is not Kourier: set INGRESS to the gateway's service (namespace/name) for test, open and verify." ;;
  esac
}

# By default Kourier passes on no caller address, and all callers would share the limits of one. Set unless it is set;
# stop removes it.
pass_caller_addresses() {
  case $(config knative-serving config-network ingress-class) in *kourier*) ;; *) return 0 ;; esac
  if [ -n "$(config knative-serving config-kourier use-remote-address)" ] || [ -n "${PROXY_HOPS:-}" ]; then return; fi
  say "Kourier: passing on caller addresses (use-remote-address in knative-serving/config-kourier)"
  kubectl -n knative-serving patch configmap/config-kourier --type merge -p '{"data":{"use-remote-address":"true"}}' >/dev/null
  kubectl -n knative-serving label configmap/config-kourier shop/use-remote-address=set --overwrite >/dev/null
}

# A domain belongs to one namespace; it is not taken from another shop.
own_domain() { # NAME
  local owner
  owner=$(kubectl get clusterdomainclaim "$1" -o 'jsonpath={.spec.namespace}' 2>/dev/null || true)
  [ -z "$owner" ] || [ "$owner" = "$namespace" ] || die "The domain $1 belongs to the namespace $owner: set DOMAIN to another one."
}

# stop removes only what has this label, so start uses no namespace that it did not create.
own_namespace() {
  if kubectl get namespace "$namespace" >/dev/null 2>&1 && ! installed_here && ! in_shop get secret event-keys >/dev/null 2>&1; then
    die "The namespace $namespace exists and is not the shop's: set NAMESPACE to another one."
  fi
  if [ "$(kubectl get namespace "$namespace" -o 'jsonpath={.status.phase}' 2>/dev/null)" = Terminating ] ||
    in_shop get quota stopping >/dev/null 2>&1; then
    die "The shop is being removed: run ./shop.sh stop to finish."
  fi
  if ! installed_here; then
    sed "s|^  name: shop$|  name: $namespace|" knative/base/namespace.yaml |
      kubectl label --local -f - "$label" -o yaml | kubectl apply -f - >/dev/null
  fi
}

# The components of the first start. A Broker keeps its class, and data does not move to another database.
own_components() {
  local stored name
  stored=$(annotation components)
  if in_shop get secret event-keys >/dev/null 2>&1; then
    [ -z "$components" ] || [ "$components" = "$stored" ] ||
      die "This shop was installed with ${stored:-no components}; they cannot be changed: remove it with ./shop.sh stop, or set NAMESPACE and DOMAIN to install another one."
  fi
  components=${components:-$stored}
  for name in $components; do
    case $name in
      database-ha)
        kubectl get crd clusters.postgresql.cnpg.io >/dev/null 2>&1 || die "$name: the cluster has no CloudNativePG operator."
        [ -z "${DATABASE_URL:-}${DATABASE_CA:-}" ] || die "$name: DATABASE_URL and DATABASE_CA are for a database of your own."
        case $(tag_of "${POSTGRES_IMAGE:-x:18}") in 1[678] | 1[678][!0-9]*) ;; *) die "$name: the tag of POSTGRES_IMAGE has to start with the major version, also before a digest (name:18@sha256:…)." ;; esac
        ;;
      broker-jetstream)
        kubectl get crd natsjetstreamchannels.messaging.knative.dev >/dev/null 2>&1 || die "$name: the cluster has no Knative JetStream channel."
        kubectl -n knative-eventing get configmap config-br-jetstream-channel >/dev/null 2>&1 ||
          die "$name: there is no ConfigMap knative-eventing/config-br-jetstream-channel (docs/knative.md)."
        ;;
      broker-kafka)
        kubectl -n knative-eventing get configmap kafka-broker-config >/dev/null 2>&1 ||
          die "$name: there is no ConfigMap knative-eventing/kafka-broker-config; install Knative's Kafka Broker."
        ;;
      smtp-external)
        [ -n "${SMTP_URL:-}" ] || in_shop get secret mail >/dev/null 2>&1 || die "$name: set SMTP_URL to the mail server."
        ;;
    esac
  done
  MIN_INSTANCES=${MIN_INSTANCES:-$(annotation min-instances)}
  export MIN_INSTANCES
  node knative/func-yaml.ts storefront >/dev/null 2>"$dir/instances.log" || die "MIN_INSTANCES has to be a number from 1 to 4."
  kubectl annotate namespace "$namespace" "shop/components=$components" "shop/min-instances=$MIN_INSTANCES" --overwrite >/dev/null
  if [ -n "$components" ]; then say "components: $components"; fi
}

tag_of() { # IMAGE
  local image=${1%@*}
  case ${image##*/} in *:*) echo "${image##*:}" ;; esac
}

annotation() { kubectl get namespace "$namespace" -o "jsonpath={.metadata.annotations.shop/$1}" 2>/dev/null || true; }
has_component() { case " $components " in *" $1 "*) ;; *) return 1 ;; esac; }

make_secrets() {
  say "settings and secrets"
  # existing keys stay; the start after an interrupted one creates the missing ones
  in_shop get secret,configmap -o name >"$dir/secrets"
  local host=postgres
  ! has_component database-ha || host=postgres-rw
  NAMESPACE=$namespace DATABASE_HOST=$host node knative/make-secrets.ts <"$dir/secrets" >"$dir/missing.json"
  if grep -q '"metadata"' "$dir/missing.json"; then
    kubectl apply --server-side --force-conflicts -f "$dir/missing.json" >/dev/null
  fi
  # the administrator from the settings, if set: the only secret that a later start changes
  if [ -n "${ADMIN_EMAIL:-}${ADMIN_PASSWORD:-}" ]; then
    in_shop get secret admin -o json | node knative/admin-secret.ts | kubectl replace -f - >/dev/null
  fi
  database_secrets
}

database_secrets() { # one per function
  in_shop get secret database -o json | node knative/database-secrets.ts |
    kubectl apply --server-side --force-conflicts -f - >/dev/null
}

# --- images -------------------------------------------------------------------------------------------------------

# The image's tag is a hash of its content, so a second start builds nothing. In bash 3.2 an error inside $(…) does not end
# the script, so each step returns its failure.
image_of() { # NAME FOLDER: prints the reference
  local name=$1 from=${NODE_IMAGE:-node:24-slim} hash reference
  if [ "$name" = shop ] && [ -n "${IMAGE:-}" ]; then
    case $IMAGE in *@sha256:*) ;; *) die "IMAGE has to be a reference by digest (name@sha256:…)." ;; esac
    echo "$IMAGE"
    return
  fi
  hash=$(node knative/image-context.ts "$2" "$dir/image-$name" "$from") || return
  if [ -z "$existing" ]; then
    image_in_minikube "$name" "$hash"
    return
  fi
  reference=$(in_shop get configmap "image-$name" -o "jsonpath={.data.$hash}" 2>/dev/null || true)
  if [ -z "$reference" ]; then
    say "building the image $name" >&2
    reference=$(build "$name" "$dir/image-$name") || return
    case $reference in *@sha256:*) ;; *) die "The image was built, but \"$reference\" is not a reference by digest." ;; esac
    in_shop create configmap "image-$name" --from-literal="$hash=$reference" --dry-run=client -o yaml |
      kubectl apply -f - >/dev/null || return
  fi
  echo "$reference"
}

# Builds in the node, under a name that Knative resolves in no registry (registries-skipping-tag-resolving): works with
# every driver, without a registry and without a container engine on this machine.
image_in_minikube() { # NAME HASH: prints the reference
  local name=$1 reference=dev.local/$1:$2 setting argument=build-arg=
  if ! minikube -p $profile image ls 2>/dev/null | grep -q "$reference"; then
    say "building the image $name in Minikube (minutes the first time)" >&2
    set --
    # Docker and Podman in the node take --build-arg, BuildKit with containerd takes --opt
    [ "$(of_profile KubernetesConfig.ContainerRuntime)" != containerd ] || argument=opt=build-arg:
    for setting in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
      # a proxy on this machine is unreachable from the node
      case ${!setting:-} in '' | *://localhost* | *://127.*) ;; *) set -- "$@" --build-opt="$argument$setting=${!setting}" ;; esac
    done
    TMPDIR=$dir minikube -p $profile image build "$@" -t "$reference" "$dir/image-$name" >&2 || return
    minikube -p $profile image ls 2>/dev/null | grep -q "$reference" || die "The image was not built; see above."
  fi
  echo "$reference"
}

of_profile() { # PATH: a field of the profile's configuration
  minikube profile list -l -o json 2>/dev/null | json "it.valid.find((one) => one.Name === '$profile')?.Config.$1 ?? ''" 2>/dev/null
}

build() { # NAME FOLDER: builds, pushes, prints the reference by digest
  if [ -n "${IMAGE_BUILD:-}" ]; then
    $IMAGE_BUILD "$2" "$1" >"$dir/built" && tail -n 1 "$dir/built"
    return
  fi
  local image=$IMAGE_REGISTRY/$1:latest
  if has docker && docker info >/dev/null 2>&1; then
    docker build -q -t "$image" "$2" >&2 && docker push -q "$image" >&2 || return
    # the digest in this registry
    docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" | grep "^$IMAGE_REGISTRY/$1@" | head -n 1
  elif has podman; then
    podman build -q -t "$image" "$2" >&2 || return
    case $IMAGE_REGISTRY in
      localhost:* | 127.0.0.1:*) podman push -q --tls-verify=false --digestfile "$dir/digest" "$image" >&2 || return ;;
      *) podman push -q --digestfile "$dir/digest" "$image" >&2 || return ;;
    esac
    echo "$IMAGE_REGISTRY/$1@$(cat "$dir/digest")"
  else die "Docker or Podman is missing to build the image; or set IMAGE_BUILD or IMAGE."; fi
}

# --- what is installed --------------------------------------------------------------------------------------------

# Applies folders of knative/ with the settings: namespace, domain, images.
install() { # MAIL-IMAGE FOLDER…
  local mail=$1 folder
  shift
  cp knative/overlays/gitops/namespace.yaml "$dir/"
  {
    printf 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: %s\n' "$namespace"
    printf 'labels:\n  - pairs: { app.kubernetes.io/managed-by: shop.sh }\nresources:\n'
    for folder in "$@"; do printf '  - %s\n' "$(relative_to_dir "knative/$folder")"; done
    [ -z "$components" ] || printf 'components:\n'
    for folder in $components; do printf '  - %s\n' "$(relative_to_dir "knative/components/$folder")"; done
    printf 'replacements:\n  - path: namespace.yaml\nimages:\n'
    replaced docker.io/library/postgres "${POSTGRES_IMAGE:-}"
    replaced docker.io/maildev/maildev "$mail"
    sizes_and_domain
  } >"$dir/kustomization.yaml"
  kubectl apply -k "$dir" >"$dir/apply.log" 2>&1 || {
    cat "$dir/apply.log" >&2
    die "Not applied: $*"
  }
}

relative_to_dir() { node -p 'path.relative(process.argv[1], fs.realpathSync(process.argv[2]))' "$dir" "$1"; }

# Behind Kourier a request for the domain passes the gateway twice, and the gateway adds the client's address only with
# use-remote-address.
proxy_hops() {
  if [ -n "${PROXY_HOPS:-}" ]; then echo "$PROXY_HOPS"
  elif [ "$(config knative-serving config-kourier use-remote-address)" = true ]; then echo 3
  else echo 0; fi
}

# Where Knative obtains certificates, HTTP is redirected.
has_https() { [ "$(config knative-serving config-network external-domain-tls)" = Enabled ]; }

replaced() { # NAME IMAGE: an entry of kustomize's images; an empty one keeps the overlay's
  case $2 in
    '') printf '  - name: %s\n' "$1" ;;
    *@*) printf '  - { name: %s, newName: "%s", digest: "%s" }\n' "$1" "${2%@*}" "${2#*@}" ;;
    *) printf '  - { name: %s, newName: "%s", newTag: "%s" }\n' "$1" "${2%:*}" "${2##*:}" ;;
  esac
}

sizes_and_domain() {
  # a claim keeps its first size; `kubectl edit pvc data-postgres-0` enlarges it where the storage can
  local size mode kind claim='{.spec.volumeClaimTemplates[0].spec'
  size=$(in_shop get statefulset postgres -o "jsonpath=$claim.resources.requests.storage}" 2>/dev/null || true)
  mode=$(in_shop get statefulset postgres -o "jsonpath=$claim.accessModes[0]}" 2>/dev/null || true)
  printf 'patches:\n  - target: { kind: ConfigMap, name: shop }\n    patch: >-\n      [{"op": "replace", "path": "/data/PROXY_HOPS", "value": "%s"}]\n' "$(proxy_hops)"
  ! has_https || printf '  - target: { kind: DomainMapping }\n    patch: >-\n      [{"op": "add", "path": "/metadata/annotations", "value": {"networking.knative.dev/http-protocol": "redirected"}}]\n'
  if [ -n "${size:-${POSTGRES_STORAGE:-}}" ]; then
    printf '  - target: { kind: StatefulSet, name: postgres }\n    patch: >-\n      [{"op": "replace", "path": "/spec/volumeClaimTemplates/0/spec/resources/requests/storage", "value": "%s"}]\n' "${size:-$POSTGRES_STORAGE}"
  fi
  if [ -n "${mode:-${POSTGRES_ACCESS:-}}" ]; then
    printf '  - target: { kind: StatefulSet, name: postgres }\n    patch: >-\n      [{"op": "replace", "path": "/spec/volumeClaimTemplates/0/spec/accessModes/0", "value": "%s"}]\n' "${mode:-$POSTGRES_ACCESS}"
  fi
  if has_component database-ha; then
    # without the setting the image stays: another major version would be an upgrade of the data
    database_ha imageName "${POSTGRES_IMAGE:-$(of_database imageName)}" ''
    database_ha postgresUID "${POSTGRES_UID:-}" "$(of_database postgresUID)"
    database_ha postgresGID "${POSTGRES_UID:-}" "$(of_database postgresGID)"
    database_ha storage/size "${POSTGRES_STORAGE:-}" "$(of_database storage.size)"
  fi
  for kind in DomainMapping ClusterDomainClaim; do
    printf '  - target: { kind: %s, name: arch.homework }\n    options: { allowNameChange: true }\n    patch: >-\n      [{"op": "replace", "path": "/metadata/name", "value": "%s"}]\n' $kind "$domain"
  done
}

# A field of CloudNativePG's Cluster: the one that it has, or the setting.
database_ha() { # FIELD SETTING STORED
  local value=${3:-$2}
  [ -z "$value" ] || printf '  - target: { kind: Cluster, name: postgres }\n    patch: >-\n      [{"op": "replace", "path": "/spec/%s", "value": %s}]\n' "$1" "$(quoted "$value")"
}
of_database() { in_shop get clusters.postgresql.cnpg.io postgres -o "jsonpath={.spec.$1}" 2>/dev/null || true; }
quoted() { case $1 in *[!0-9]*) printf '"%s"' "$1" ;; *) printf %s "$1" ;; esac; }

migrate() { # IMAGE: runs once per image and administrator
  local admin ran
  admin=$(in_shop get secret admin -o 'jsonpath={.metadata.resourceVersion}')
  ran=$(in_shop get job migrate \
    -o 'jsonpath={.spec.template.spec.containers[0].image} {.metadata.annotations.shop/admin} {.status.succeeded}' 2>/dev/null || true)
  [ "$ran" != "$1 $admin 1" ] || return 0
  still_there
  say "migrations and administrator"
  in_shop delete job migrate --ignore-not-found >/dev/null
  sed -e "s|image: shop$|image: $1|" -e "s|^  namespace: shop$|  namespace: $namespace|" knative/migrate/job.yaml | kubectl apply -f - >/dev/null
  wait_for "the migrations" wait job/migrate --for=condition=Complete --timeout=180s
  in_shop annotate job migrate "shop/admin=$admin" --overwrite >/dev/null
}

# Deploys from a copy, because func rewrites func.yaml; skips unchanged functions.
deploy() { # IMAGE PUBLISHES(yes|no)
  local image=$1 name publishes hash running=0 settings
  # functions read them at their start
  settings=$(in_shop get configmap shop -o 'jsonpath={.data}')$(in_shop get secret database -o 'jsonpath={.data.ca}')
  in_shop get ksvc -o 'jsonpath={range .items[*]}{.metadata.name} {.metadata.annotations.shop/deployed}{"\n"}{end}' >"$dir/deployed" 2>/dev/null || true
  node knative/func-hashes.ts "$image" "$settings" >"$dir/hashes"
  while read -r name publishes hash; do
    if [ "$publishes" != "$2" ] || grep -qx "$name $hash" "$dir/deployed"; then continue; fi
    say "deploying $name"
    deploy_one "$name" "$image" "$hash" </dev/null &
    echo "$! $name" >>"$dir/deploying"
    running=$((running + 1))
    # four at a time: each mostly waits for its pod
    [ $((running % 4)) -ne 0 ] || deployed_all
  done <"$dir/hashes"
  deployed_all
}

deploy_one() { # NAME IMAGE HASH
  mkdir -p "$dir/$1"
  node knative/func-yaml.ts "$1" >"$dir/$1/func.yaml"
  within 180 knative_func deploy --path "$dir/$1" --namespace "$namespace" --image "$2" --build=false --push=false >"$dir/$1.log" 2>&1 &&
    in_shop annotate ksvc "$1" "shop/deployed=$3" --overwrite >/dev/null 2>>"$dir/$1.log"
}

deployed_all() {
  local pid name failed=''
  [ -e "$dir/deploying" ] || return 0
  while read -r pid name; do
    wait "$pid" || failed="$failed $name"
  done <"$dir/deploying"
  rm "$dir/deploying"
  [ -n "$failed" ] || return 0
  for name in $failed; do cat "$dir/$name.log" >&2; done
  explain "$namespace"
  die "Not deployed:$failed. Fix the cause above and run ./shop.sh start again: it continues from here."
}

within() { # SECONDS COMMAND…: like `timeout`, which macOS lacks
  local seconds=$1 pid watch status=0
  shift
  "$@" &
  pid=$!
  (
    trap 'kill "$sleeping" 2>/dev/null; exit' TERM
    sleep "$seconds" &
    sleeping=$!
    wait "$sleeping"
    kill "$pid" 2>/dev/null
  ) >/dev/null 2>&1 &
  watch=$!
  printf '%s\n' "$watch" "$pid" >>"$dir/children"
  wait "$pid" || status=$?
  kill "$watch" 2>/dev/null || true
  return $status
}

still_there() {
  case $(kubectl get namespace "$namespace" -o 'jsonpath={.status.phase}' 2>/dev/null || true) in
    Active) ! in_shop get quota stopping >/dev/null 2>&1 || die "The shop is being removed. Run ./shop.sh start again afterwards." ;;
    *) die "The shop was removed meanwhile. Run ./shop.sh start again." ;;
  esac
}

wait_for() { # WHAT KUBECTL-ARGUMENTS…
  local what=$1 pid began
  shift
  began=$(now)
  in_shop "$@" >"$dir/wait.log" 2>&1 &
  pid=$!
  echo "$pid" >>"$dir/children"
  (
    trap 'kill "$sleeping" 2>/dev/null; exit' TERM
    while :; do
      sleep 15 &
      sleeping=$!
      wait "$sleeping"
      say "waiting for $what ($(($(now) - began)) s)"
      # the newest warning, such as an image that cannot be pulled
      in_shop get events --field-selector type=Warning --sort-by=.lastTimestamp -o 'jsonpath={.items[-1:].reason}: {.items[-1:].message}' 2>/dev/null | grep . | cut -c 1-160 || true
    done
  ) &
  local progress=$!
  echo "$progress" >>"$dir/children"
  local status=0
  wait "$pid" || status=$?
  kill "$progress" 2>/dev/null || true
  [ $status -ne 0 ] || return 0
  [ "$command" != start ] || still_there
  cat "$dir/wait.log" >&2
  explain "$namespace"
  die "Not ready in time: $what. Fix the cause above and run ./shop.sh $command${step:+ $step} again: it continues from here."
}

explain() { # NAMESPACE: prints what is not ready, with events and the last log lines of its pods
  {
    kubectl -n "$1" get ksvc,broker,trigger,sinkbinding,pod 2>/dev/null | grep -v -e ' True ' -e Running -e Completed || true
    kubectl -n "$1" get events --field-selector type=Warning --sort-by=.lastTimestamp 2>/dev/null | tail -n 10
    for pod in $(kubectl -n "$1" get pods --no-headers 2>/dev/null | awk '$3 != "Completed" { split($2, n, "/"); if (n[1] != n[2]) print $1 }'); do
      echo "--- last log lines of $pod"
      kubectl -n "$1" logs "$pod" --all-containers --tail=10 2>/dev/null || true
    done
  } >&2
}

# --- a running shop -----------------------------------------------------------------------------------------------

forward_to() { # NAMESPACE/SERVICE PORT [LOCAL-PORT]: prints the local port
  local log pid _
  log=$(mktemp "$dir/forward.XXXXXX")
  kubectl -n "${1%/*}" port-forward --address 127.0.0.1 "service/${1#*/}" "${3:-}:$2" >"$log" 2>&1 &
  pid=$!
  echo "$pid" >>"$dir/children"
  for _ in $(seq 100); do
    if grep -q 'Forwarding from' "$log" || ! kill -0 "$pid" 2>/dev/null; then break; fi
    sleep 0.1
  done
  sed -n 's/Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$log" | head -n 1 | grep . || {
    cat "$log" >&2
    die "Cannot reach $1."
  }
}

secret() { in_shop get secret "$1" -o json | json "Buffer.from(it.data['$2'], 'base64').toString()"; }

need_shop() {
  in_shop get ksvc storefront >/dev/null 2>&1 || die "The shop is not running here: ./shop.sh start comes first."
}

# Runs a script of package.json with the addresses of the shop.
run_inside() { # MAILS? NPM-COMMAND…
  need_shop
  local mails='' port status=0
  port=$(forward_to "$ingress" 80)
  if [ "$1" = mails ] && ! has_mail_catcher; then mails=${MAIL_URL:-}
  elif [ "$1" = mails ]; then mails=http://127.0.0.1:$(forward_to "$namespace/mail-catcher" 1080); fi
  shift
  BASE_URL=http://127.0.0.1:$port HOST_HEADER=$domain MAIL_URL=$mails SHOP_NAMESPACE=$namespace INGRESS=$ingress \
    ADMIN_EMAIL=$(secret admin email) ADMIN_PASSWORD=$(secret admin password) npm run --silent "$@" || status=$?
  return $status
}

has_mail_catcher() {
  components=$(annotation components)
  ! has_component smtp-external
}
do_verify() { run_inside '' verify; }
do_test() { run_inside mails newman; }
do_faults() { run_inside '' test:cluster -- ${options[@]+"${options[@]}"}; }
do_alerts() { run_inside '' test:alerts; }

# Browsers resolve names below "localhost" to this machine, so no hosts file needs editing.
do_open() {
  need_shop
  local name=$namespace.localhost port url
  own_domain "$name"
  sed -e "s|name: arch.homework|name: $name|" -e "s|namespace: shop|namespace: $namespace|" knative/entry/domain.yaml |
    kubectl apply -f - >/dev/null
  kubectl label clusterdomainclaim "$name" "$label" --overwrite >/dev/null
  wait_for "the address" wait "domainmapping/$name" --for=condition=Ready --timeout=60s
  port=$(forward_to "$ingress" 80 8080 2>/dev/null) || port=$(forward_to "$ingress" 80)
  url=http://$name:$port
  say "The page: $url   (administrator $(secret admin email), password: kubectl -n $namespace get secret admin -o 'jsonpath={.data.password}' | base64 --decode)"
  ! has_mail_catcher || say "Mails:    http://127.0.0.1:$(forward_to "$namespace/mail-catcher" 1080)/index.html"
  say "Ctrl-C ends this; the shop keeps running."
  case $(system) in
    macos) open "$url" ;;
    wsl) explorer.exe "$url" || true ;;
    *) ! has xdg-open || xdg-open "$url" >/dev/null 2>&1 || true ;;
  esac
  local pid
  while read -r pid; do
    while kill -0 "$pid" 2>/dev/null; do sleep 1; done
  done <"$dir/children"
  die "The connection to the cluster was lost: run ./shop.sh open again."
}

do_keys() {
  need_shop
  say "keys: $step"
  in_shop get secret/event-keys secret/token-private-key configmap/token-public-keys secret/key-rotation \
    --ignore-not-found -o json >"$dir/keys.json"
  # stored first and atomically: after an interruption the same step finds its keys there and continues
  node knative/rotate-keys.ts "$step" <"$dir/keys.json" >"$dir/rotation.json"
  kubectl apply --server-side --force-conflicts -f "$dir/rotation.json" >/dev/null
  node knative/rotate-keys.ts write <"$dir/rotation.json" >"$dir/new-keys.json"
  kubectl replace -f "$dir/new-keys.json" >/dev/null
  rm "$dir/keys.json" "$dir/rotation.json" "$dir/new-keys.json"
  # a new revision of each function starts with the new keys
  local name
  for name in $(in_shop get ksvc -o name); do
    in_shop patch "$name" --type merge \
      -p "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"shop/keys\":\"$(now)\"}}}}}" >/dev/null
  done
  wait_for "the functions" wait ksvc --all --for=condition=Ready --timeout=300s
  say "Every function has the keys as they are now."
}

do_deploy() {
  need_shop
  local image
  MIN_INSTANCES=$(annotation min-instances)
  export MIN_INSTANCES
  image=$(image_of shop .)
  migrate "$image"
  say "deploying $step from $image"
  deploy_one "$step" "$image" by-hand || {
    cat "$dir/$step.log" >&2
    explain "$namespace"
    die "Not deployed: $step."
  }
  say "$step is deployed. ./shop.sh rollback $step restores the previous version."
}

# Makes the previous image of each function its newest revision. Migrations only add, so the previous version works on the
# newer schema (docs/operations.md).
do_rollback() {
  need_shop
  in_shop get ksvc,revision -o json | node knative/rollback.ts ${step:+"$step"} >"$dir/rollback" || die "There is no previous version."
  local name patch
  while read -r name patch; do
    say "$name"
    in_shop patch ksvc "$name" --type json -p "$patch" >/dev/null
  done <"$dir/rollback"
  wait_for "the functions" wait ksvc --all --for=condition=Ready --timeout=300s
  say "${step:-Every function} runs the previous version. ./shop.sh start deploys this one again."
}

do_status() {
  need_shop
  in_shop get ksvc,broker,trigger,sinkbinding,pingsource,domainmapping,pod
}

# --- stop ---------------------------------------------------------------------------------------------------------

do_stop() {
  if [ -z "$existing" ]; then
    has minikube && minikube profile list -o json 2>/dev/null | grep -q "\"Name\":\"$profile\"" ||
      die "There is no shop to stop in Minikube's profile $profile or on the current cluster."
    # without Docker, Minikube would delete the profile and leave its container and volume
    case $(of_profile Driver) in docker) docker version -f '{{.Server.Version}}' >/dev/null 2>&1 || die "Docker does not respond: start it first." ;; esac
    say "removing Minikube's profile $profile"
    minikube delete -p $profile
    return
  fi
  if ! kubectl get namespace "$namespace" >/dev/null 2>&1; then
    say "There is no namespace $namespace: the shop is gone."
    return
  fi
  installed_here || die "The namespace $namespace lacks the label of ./shop.sh start ($label): it is left alone."
  say "removing the shop and its data"
  local claim
  for claim in $(kubectl get clusterdomainclaim -l "$label" -o 'jsonpath={range .items[*]}{.metadata.name}={.spec.namespace} {end}'); do
    [ "${claim#*=}" != "$namespace" ] || kubectl delete clusterdomainclaim "${claim%=*}" --wait=false --ignore-not-found >/dev/null
  done
  # unless there is another shop
  if [ -n "$(kubectl -n knative-serving get configmap config-kourier -l shop/use-remote-address=set -o name 2>/dev/null)" ] &&
    [ "$(kubectl get namespace -l "$label" -o name)" = "namespace/$namespace" ]; then
    kubectl -n knative-serving patch configmap/config-kourier --type json \
      -p '[{"op":"remove","path":"/data/use-remote-address"},{"op":"remove","path":"/metadata/labels/shop~1use-remote-address"}]' >/dev/null || true
  fi
  # Prevents new pods: one that a controller creates meanwhile would have its full grace period, of which the queue-proxy
  # takes 30 s to drain.
  in_shop create quota stopping --hard=pods=0 >/dev/null 2>&1 || true
  in_shop delete clusters.postgresql.cnpg.io --all --wait=false >/dev/null 2>&1 || true
  in_shop delete pod --all --grace-period=1 --wait=false >/dev/null 2>&1 || true
  in_shop delete pingsource,sinkbinding,trigger,broker,domainmapping,ksvc,deployment,statefulset,job --all --wait=false >/dev/null 2>&1 || true
  local deadline=$(($(now) + 55))
  # the data is deleted too, so no pod has anything to finish
  while [ -n "$(in_shop get pod,pvc,ksvc -o name 2>/dev/null)" ] && [ "$(now)" -lt "$deadline" ]; do
    in_shop delete pod --all --grace-period=1 --wait=false >/dev/null 2>&1 || true
    in_shop delete pvc --all --wait=false >/dev/null 2>&1 || true
    sleep 1
  done
  kubectl delete namespace "$namespace" --ignore-not-found --wait=false >/dev/null
  while kubectl get namespace "$namespace" >/dev/null 2>&1; do
    [ "$(now)" -lt "$deadline" ] || {
      in_shop get pod,pvc,ksvc,broker,trigger,sinkbinding,pingsource,domainmapping >&2 || true
      kubectl get namespace "$namespace" -o 'jsonpath={range .status.conditions[*]}{.message}{"\n"}{end}' >&2
      die "Not removed within a minute; see above. Run ./shop.sh stop again."
    }
    sleep 1
  done
  say "The shop is gone."
}

# bash reads the block before it runs, so editing the file meanwhile does no harm
{
  main "$@"
  exit
}
