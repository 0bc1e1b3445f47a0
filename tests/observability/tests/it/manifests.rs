//! The Kubernetes example against the public API's shapes: unknown fields, missing ones and names that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use observability_tests::programs::{packaging, text};
use serde::Deserialize;
use serde_json::Value;

type Labels = BTreeMap<String, String>;

/// The kinds of the example, with the fields of their API version that it uses. The API server drops
/// what it does not know without a word, so here nothing else is let through.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Manifest {
    ConfigMap {
        #[serde(rename = "apiVersion")]
        api_version: String,
        metadata: Metadata,
        data: BTreeMap<String, String>,
    },
    ExternalSecret {
        #[serde(rename = "apiVersion")]
        api_version: String,
        metadata: Metadata,
        spec: SecretSpec,
    },
    Service {
        #[serde(rename = "apiVersion")]
        api_version: String,
        metadata: Metadata,
        spec: ServiceSpec,
    },
    StatefulSet {
        #[serde(rename = "apiVersion")]
        api_version: String,
        metadata: Metadata,
        spec: SetSpec,
    },
    Kustomization {
        #[serde(rename = "apiVersion")]
        api_version: String,
        resources: BTreeSet<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SecretSpec {
    refresh_interval: String,
    secret_store_ref: StoreRef,
    target: SecretTarget,
    data: Vec<SecretEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreRef {
    kind: StoreKind,
    name: String,
}

#[derive(Debug, Deserialize)]
enum StoreKind {
    SecretStore,
    ClusterSecretStore,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SecretTarget {
    name: String,
    creation_policy: String,
    deletion_policy: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SecretEntry {
    secret_key: String,
    remote_ref: RemoteRef,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoteRef {
    key: String,
    property: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    selector: Labels,
    ports: Vec<ServicePort>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServicePort {
    name: String,
    port: u16,
    target_port: String,
    protocol: Protocol,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum Protocol {
    Tcp,
    Udp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetSpec {
    service_name: String,
    replicas: u32,
    update_strategy: Value,
    pod_management_policy: String,
    selector: Selector,
    template: Template,
    volume_claim_templates: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Selector {
    match_labels: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    metadata: PodMetadata,
    spec: PodSpec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PodMetadata {
    labels: Labels,
    annotations: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodSpec {
    automount_service_account_token: bool,
    termination_grace_period_seconds: u32,
    security_context: PodSecurity,
    containers: Vec<Container>,
    volumes: Vec<Volume>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodSecurity {
    run_as_non_root: bool,
    run_as_user: u32,
    run_as_group: u32,
    fs_group: u32,
    seccomp_profile: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Container {
    name: String,
    image: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env_from: Vec<EnvFrom>,
    #[serde(default)]
    ports: Vec<ContainerPort>,
    liveness_probe: Option<Probe>,
    readiness_probe: Option<Probe>,
    startup_probe: Option<Probe>,
    security_context: ContainerSecurity,
    resources: Resources,
    #[serde(default)]
    volume_mounts: Vec<Mount>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EnvFrom {
    config_map_ref: Named,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ContainerPort {
    name: String,
    #[serde(rename = "containerPort")]
    port: u16,
    protocol: Protocol,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Probe {
    http_get: HttpGet,
    period_seconds: u32,
    #[serde(default = "one")]
    timeout_seconds: u32,
    failure_threshold: u32,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpGet {
    path: String,
    port: String,
    scheme: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ContainerSecurity {
    allow_privilege_escalation: bool,
    read_only_root_filesystem: bool,
    capabilities: Dropped,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dropped {
    drop: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resources {
    requests: Labels,
    #[serde(default)]
    limits: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Mount {
    name: String,
    #[serde(rename = "mountPath")]
    path: String,
    #[serde(default)]
    read_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Volume {
    name: String,
    secret: SecretVolume,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SecretVolume {
    secret_name: String,
    default_mode: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    metadata: Metadata,
    spec: ClaimSpec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ClaimSpec {
    access_modes: Vec<String>,
    resources: Resources,
}

/// The example as one whole.
struct Example {
    settings: BTreeMap<String, String>,
    settings_name: String,
    /// Keys of every secret by its name, with how often it is asked for anew.
    secrets: BTreeMap<String, (BTreeSet<String>, String)>,
    service: (String, ServiceSpec),
    set: SetSpec,
}

#[track_caller]
fn named(metadata: &Metadata) -> String {
    // DNS labels (RFC 1123), which the API asks of names.
    let name = &metadata.name;
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    assert!(!name.is_empty() && name.len() <= 63 && name.bytes().all(fine), "{name}");
    name.clone()
}

fn example() -> Example {
    let folder = packaging().join("agent/kubernetes");
    let (mut settings, mut secrets, mut service, mut set) = (None, BTreeMap::new(), None, None);
    let listed = match manifest(&text(&folder.join("kustomization.yaml"))) {
        Manifest::Kustomization { api_version, resources } => {
            assert_eq!(api_version, "kustomize.config.k8s.io/v1beta1");
            resources
        }
        other => panic!("{other:?}"),
    };
    let there: BTreeSet<String> = std::fs::read_dir(&folder)
        .expect("readable")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "kustomization.yaml")
        .collect();
    assert_eq!(listed, there, "the kustomization lists every file");
    for file in &listed {
        for document in text(&folder.join(file)).split("\n---\n") {
            match manifest(document) {
                Manifest::ConfigMap { api_version, metadata, data } => {
                    assert_eq!(api_version, "v1");
                    settings = Some((named(&metadata), data));
                }
                Manifest::ExternalSecret { api_version, metadata, spec } => {
                    assert_eq!(api_version, "external-secrets.io/v1");
                    assert_eq!(named(&metadata), spec.target.name);
                    check_secret(&spec);
                    let keys = spec.data.into_iter().map(|entry| entry.secret_key).collect();
                    secrets.insert(spec.target.name, (keys, spec.refresh_interval));
                }
                Manifest::Service { api_version, metadata, spec } => {
                    assert_eq!(api_version, "v1");
                    service = Some((named(&metadata), spec));
                }
                Manifest::StatefulSet { api_version, metadata, spec } => {
                    assert_eq!(api_version, "apps/v1");
                    assert_eq!(metadata.labels, spec.selector.match_labels);
                    named(&metadata);
                    set = Some(spec);
                }
                Manifest::Kustomization { .. } => panic!("{file} is no resource"),
            }
        }
    }
    let (settings_name, settings) = settings.expect("a ConfigMap");
    Example {
        settings,
        settings_name,
        secrets,
        service: service.expect("a Service"),
        set: set.expect("a StatefulSet"),
    }
}

#[track_caller]
fn manifest(document: &str) -> Manifest {
    serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

#[track_caller]
fn check_secret(spec: &SecretSpec) {
    assert!(matches!(
        spec.secret_store_ref.kind,
        StoreKind::SecretStore | StoreKind::ClusterSecretStore
    ));
    assert!(!spec.secret_store_ref.name.is_empty() && !spec.data.is_empty());
    assert_eq!(spec.target.creation_policy, "Owner");
    // A store that loses an entry must not take the keys from running nodes.
    assert_eq!(spec.target.deletion_policy, "Retain");
    for entry in &spec.data {
        assert!(!entry.remote_ref.key.is_empty() && !entry.remote_ref.property.is_empty());
    }
}

fn agent(example: &Example) -> &Container {
    let containers = &example.set.template.spec.containers;
    assert!(containers.len() == 2, "the agent is a sidecar");
    containers.iter().find(|container| container.name == "plumb-agent").expect("the agent")
}

#[test]
fn every_manifest_has_the_shape_of_its_kind() {
    let example = example();
    let pod = &example.set.template.spec;
    assert_eq!(example.set.template.metadata.labels, example.set.selector.match_labels);
    assert_eq!(example.service.1.selector, example.set.selector.match_labels);
    assert_eq!(example.set.service_name, example.service.0);
    assert_eq!(example.service.1.cluster_ip, "None", "nodes are looked at one by one");
    assert!(example.set.replicas > 0 && pod.termination_grace_period_seconds > 5);
    assert_eq!(example.set.pod_management_policy, "OrderedReady");
    assert_eq!(example.set.update_strategy["type"], "RollingUpdate");
    for container in &pod.containers {
        assert!(!container.image.ends_with(":latest") && container.image.contains(':'));
        assert!(container.resources.requests.contains_key("memory"));
        assert!(container.resources.limits.contains_key("memory"), "{}", container.name);
    }
}

#[test]
fn nothing_of_the_pod_has_more_rights_than_it_needs() {
    let example = example();
    let pod = &example.set.template.spec;
    let security = &pod.security_context;
    assert!(security.run_as_non_root && security.run_as_user > 0 && security.run_as_group > 0);
    assert_eq!(security.fs_group, security.run_as_group, "the volume belongs to who writes it");
    assert_eq!(security.seccomp_profile["type"], "RuntimeDefault");
    assert!(!pod.automount_service_account_token);
    for container in &pod.containers {
        let security = &container.security_context;
        assert!(!security.allow_privilege_escalation && security.read_only_root_filesystem);
        assert_eq!(security.capabilities.drop, ["ALL"]);
    }
    for volume in &pod.volumes {
        assert_eq!(volume.secret.default_mode & 0o007, 0, "{} is for nobody else", volume.name);
    }
}

/// R166: what was in force and last known good outlive the pod.
#[test]
fn state_lies_on_a_volume_that_outlives_the_pod() {
    let example = example();
    let claim = &example.set.volume_claim_templates[0];
    assert_eq!(claim.spec.access_modes, ["ReadWriteOnce"], "one agent a folder");
    assert!(claim.spec.resources.requests.contains_key("storage"));
    let mounts = &agent(&example).volume_mounts;
    let mount = mounts.iter().find(|mount| mount.name == claim.metadata.name).expect("mounted");
    assert!(!mount.read_only);
    for name in ["PLUMB_AGENT_STATE_DIR", "UNISON_POLICY_BUNDLE", "PLUMB_AGENT_BUNDLE_ROOTS"] {
        let path = &example.settings[name];
        assert!(path.starts_with(&format!("{}/", mount.path)), "{name} is {path}");
    }
}

/// R176, R204: settings come from the ConfigMap, secrets from the store, and both are mounted where
/// the settings say.
#[test]
fn every_file_a_setting_names_is_mounted_from_a_secret_that_is_renewed() {
    let example = example();
    let agent = agent(&example);
    assert_eq!(agent.args, ["agent", "serve", "--supervised"]);
    let from: Vec<&str> =
        agent.env_from.iter().map(|env| env.config_map_ref.name.as_str()).collect();
    assert_eq!(from, [example.settings_name.as_str()]);
    let volumes = &example.set.template.spec.volumes;
    let key = example.settings["PLUMB_AGENT_TRUST"].split_once('=').expect("ID=FILE").1;
    let files = [
        "PLUMB_AGENT_TOKEN_FILE",
        "PLUMB_AGENT_TLS_CERT",
        "PLUMB_AGENT_TLS_KEY",
        "PLUMB_AGENT_CLIENT_CA",
    ];
    let files = files.map(|name| example.settings[name].as_str());
    for file in files.into_iter().chain([key]) {
        let (folder, name) = file.rsplit_once('/').expect("a folder and a name");
        let mount = agent.volume_mounts.iter().find(|mount| mount.path == folder);
        let mount = mount.unwrap_or_else(|| panic!("{file} is mounted from nowhere"));
        assert!(mount.read_only, "{file}");
        let volume = volumes.iter().find(|volume| volume.name == mount.name).expect("a volume");
        let (keys, interval) = &example.secrets[&volume.secret.secret_name];
        assert!(keys.contains(name), "{name} is not in {}", volume.secret.secret_name);
        let hours: u32 = interval.strip_suffix('h').and_then(|n| n.parse().ok()).expect("hours");
        assert!((1..=24).contains(&hours), "renewed at least daily");
    }
    assert!(
        example.settings.values().all(|value| !value.contains("BEGIN")),
        "no secret in the ConfigMap"
    );
}

/// R205, R215: it answers by TLS, asks for client certificates, and is looked at where it answers.
#[test]
fn probes_and_ports_lead_to_the_agent() {
    let example = example();
    let agent = agent(&example);
    let port = &agent.ports[0];
    assert_eq!(port.protocol, Protocol::Tcp);
    assert!(example.settings["PLUMB_AGENT_LISTEN"].ends_with(&format!(":{}", port.port)));
    let offered = &example.service.1.ports[0];
    assert_eq!((offered.port, &offered.target_port), (port.port, &port.name));
    assert_eq!(offered.protocol, Protocol::Tcp);
    assert!(!offered.name.is_empty());
    for (probe, path) in [
        (&agent.liveness_probe, "/healthz"),
        (&agent.readiness_probe, "/readyz"),
        (&agent.startup_probe, "/healthz"),
    ] {
        let probe = probe.as_ref().expect("a probe");
        assert_eq!(probe.http_get.path, path);
        assert_eq!(
            (probe.http_get.port.as_str(), probe.http_get.scheme.as_str()),
            (port.name.as_str(), "HTTPS")
        );
        assert!(probe.timeout_seconds <= probe.period_seconds && probe.failure_threshold >= 2);
    }
    let scrape = &example.set.template.metadata.annotations;
    assert_eq!(scrape["prometheus.io/port"], port.port.to_string());
    assert_eq!(scrape["prometheus.io/path"], "/metrics");
}
