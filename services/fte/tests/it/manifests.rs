//! Holds the Kubernetes manifests against the API's types and against the code: a typo,
//! an unknown setting or a missing one fails here, not in a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EnvVar, PodSpec, PodTemplateSpec, Secret, Service,
};
use k8s_openapi::api::networking::v1::Ingress;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Every object of every file, with its file's name.
fn objects() -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    for entry in std::fs::read_dir(root().join("deploy/k8s")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let text = read(&format!("deploy/k8s/{file}"));
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        objects.extend(documents.into_iter().map(|document| (file.clone(), document)));
    }
    objects
}

/// Objects of one kind, read with the API's own type and written back: what the type
/// does not know is gone then, and the two differ.
fn all<T: DeserializeOwned + Serialize>(kind: &str) -> Vec<T> {
    let of_kind = objects().into_iter().filter(|(_, object)| object["kind"] == kind);
    of_kind
        .map(|(file, object)| {
            let typed: T = serde_json::from_value(object.clone())
                .unwrap_or_else(|error| panic!("{file}, {kind}: {error}"));
            assert_eq!(serde_json::to_value(&typed).unwrap(), object, "{file}, {kind}");
            typed
        })
        .collect()
}

pub(crate) fn deployments() -> BTreeMap<String, (Deployment, PodSpec, Container)> {
    let deployments = all::<Deployment>("Deployment").into_iter();
    deployments
        .map(|deployment| {
            let spec = deployment.spec.clone();
            assert_eq!(
                spec.selector.match_labels,
                Some(selected(&spec.template, "app.kubernetes.io/name"))
            );
            let pod = spec.template.spec.unwrap();
            let container = pod.containers[0].clone();
            (deployment.metadata.name.clone().unwrap(), (deployment, pod, container))
        })
        .collect()
}

fn selected(template: &PodTemplateSpec, label: &str) -> BTreeMap<String, String> {
    let labels = template.metadata.clone().unwrap().labels.unwrap();
    BTreeMap::from([(label.to_owned(), labels[label].clone())])
}

/// The programs that the workspace builds, but for the command line.
pub(crate) fn services() -> BTreeSet<String> {
    let folders = std::fs::read_dir(root().join("services")).unwrap();
    let names = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "fte").collect()
}

/// A row of docs/settings.md, which another test compares with the code.
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) default: String,
    readers: String,
}

impl Setting {
    pub(crate) fn is_read_by(&self, service: &str) -> bool {
        self.readers == "all" || self.readers.split(", ").any(|reader| reader == service)
    }
}

pub(crate) fn settings() -> Vec<Setting> {
    let text = read("docs/settings.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let plain = |cell: &str| cell.trim_matches('`').to_owned();
        Setting {
            name: plain(cells[0]),
            default: plain(cells[2]),
            readers: plain(cells[cells.len() - 1]),
        }
    })
    .collect()
}

fn config() -> BTreeMap<String, String> {
    all::<ConfigMap>("ConfigMap").remove(0).data.unwrap()
}

fn secrets() -> BTreeSet<String> {
    let secret = all::<Secret>("Secret").remove(0);
    secret.string_data.unwrap().into_keys().collect()
}

/// The secret that a variable comes from, and whether it may be missing.
pub(crate) fn secret_of(variable: &EnvVar) -> Option<(String, bool)> {
    let source = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
    Some((source.key.clone(), source.optional.unwrap_or_default()))
}

#[test]
fn every_object_is_one_that_the_api_knows() {
    let known = all::<Deployment>("Deployment").len()
        + all::<Service>("Service").len()
        + all::<Job>("Job").len()
        + all::<Ingress>("Ingress").len()
        + all::<ConfigMap>("ConfigMap").len()
        + all::<Secret>("Secret").len();
    let customization =
        objects().into_iter().filter(|(_, object)| object["kind"] == "Kustomization").count();

    assert_eq!(known + customization, objects().len());
}

#[test]
fn every_file_is_applied_but_the_example_of_a_secret() {
    let all_objects = objects();
    let (_, customization) =
        all_objects.iter().find(|(file, _)| file == "kustomization.yaml").unwrap();
    let applied: BTreeSet<&str> = customization["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| resource.as_str().unwrap())
        .collect();
    let files: BTreeSet<&str> = all_objects
        .iter()
        .map(|(file, _)| file.as_str())
        .filter(|file| !["kustomization.yaml", "secret.example.yaml"].contains(file))
        .collect();

    assert_eq!(applied, files);
}

#[test]
fn every_service_has_a_deployment_that_runs_its_program() {
    let deployments = deployments();

    assert_eq!(deployments.keys().cloned().collect::<BTreeSet<_>>(), services());
    for (name, (_, pod, container)) in deployments {
        assert_eq!(container.command, Some(vec![format!("/usr/local/bin/{name}")]));
        assert!(container.args.is_none() && pod.containers.len() == 1, "{name}");
    }
}

#[test]
fn a_pod_may_take_ten_seconds_more_than_its_drain() {
    let settings = settings();
    let drain = settings.iter().find(|setting| setting.name == "FTE_DRAIN").unwrap();
    let drain = humantime::parse_duration(&drain.default).unwrap();

    for (name, (_, pod, _)) in deployments() {
        let grace = pod.termination_grace_period_seconds.unwrap();
        assert_eq!(grace.cast_unsigned(), drain.as_secs() + 10, "{name}");
    }
}

#[test]
fn every_variable_is_a_setting_of_its_service_and_none_that_it_needs_is_missing() {
    let (settings, config, secrets) = (settings(), config(), secrets());
    for key in config.keys() {
        assert!(settings.iter().any(|setting| setting.name == *key), "nobody reads {key}");
    }
    for (service, (_, _, container)) in deployments() {
        let variables = container.env.clone().unwrap();
        for variable in &variables {
            let name = &variable.name;
            let known = settings
                .iter()
                .any(|setting| setting.name == *name && setting.is_read_by(&service));
            assert!(known, "{service} does not read {name}");
            assert!(!config.contains_key(name), "{service}: {name} stands twice");
            if let Some((key, optional)) = secret_of(variable) {
                assert!(optional || secrets.contains(&key), "{key} is not in the example");
            }
        }
        for setting in settings.iter().filter(|setting| setting.is_read_by(&service)) {
            let is_set = config.contains_key(&setting.name)
                || variables.iter().any(|variable| variable.name == setting.name);
            assert!(setting.default != "required" || is_set, "{service} needs {}", setting.name);
        }
        assert!(config["FTE_BUS"] == "kafka" && config.contains_key("KAFKA_BOOTSTRAP_SERVERS"));
    }
}

#[test]
fn a_secret_reaches_every_service_that_reads_it() {
    let (settings, deployments) = (settings(), deployments());
    let taken = |container: &Container| -> BTreeSet<String> {
        let variables = container.env.clone().unwrap();
        variables.iter().filter_map(|variable| Some(secret_of(variable)?.0)).collect()
    };
    let all: BTreeSet<String> =
        deployments.values().flat_map(|(_, _, container)| taken(container)).collect();
    for (service, (_, _, container)) in &deployments {
        let read = settings.iter().filter(|setting| setting.is_read_by(service));
        let read: BTreeSet<String> =
            read.map(|setting| setting.name.clone()).filter(|name| all.contains(name)).collect();
        assert_eq!(taken(container), read, "{service}");
    }
}

#[test]
fn ports_probes_and_services_meet() {
    let services = all::<Service>("Service");
    for (name, (_, _, container)) in deployments() {
        let variables = container.env.clone().unwrap();
        let listens = |variable: &str| {
            let value = variables.iter().find(|v| v.name == variable)?.value.clone()?;
            value.strip_prefix("0.0.0.0:").map(|port| port.parse::<i32>().unwrap())
        };
        let ports: BTreeMap<String, i32> = container
            .ports
            .iter()
            .flatten()
            .map(|port| (port.name.clone().unwrap(), port.container_port))
            .collect();
        assert_eq!(ports.get("probes").copied(), listens("FTE_PROBES_LISTEN"), "{name}");
        assert_eq!(ports.get("http").copied(), listens("FTE_LISTEN"), "{name}");
        for (probe, path) in
            [(container.liveness_probe, "/livez"), (container.readiness_probe, "/readyz")]
        {
            let get = probe.unwrap().http_get.unwrap();
            assert_eq!(get.path.as_deref(), Some(path), "{name}");
            assert_eq!(serde_json::to_value(get.port).unwrap(), "probes", "{name}");
        }
        let service = services.iter().find(|s| s.metadata.name.as_deref() == Some(&name));
        assert_eq!(service.is_some(), ports.contains_key("http"), "{name}");
        let Some(spec) = service.and_then(|service| service.spec.clone()) else { continue };
        let label = BTreeMap::from([("app.kubernetes.io/name".to_owned(), name.clone())]);
        assert_eq!(spec.selector, Some(label));
        let target = spec.ports.unwrap()[0].target_port.clone().unwrap();
        assert_eq!(serde_json::to_value(target).unwrap(), "http", "{name}");
    }
}

#[test]
fn nothing_runs_as_root_or_writes_to_its_image() {
    let jobs = all::<Job>("Job").into_iter().map(|job| job.spec.unwrap().template.spec.unwrap());
    let pods = deployments().into_values().map(|(_, pod, _)| pod).chain(jobs);
    for pod in pods {
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.security_context.unwrap().run_as_non_root, Some(true));
        for container in pod.containers {
            let security = container.security_context.unwrap();
            assert_eq!(security.allow_privilege_escalation, Some(false));
            assert_eq!(security.read_only_root_filesystem, Some(true));
            assert_eq!(security.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
            let resources = container.resources.unwrap();
            assert!(resources.limits.unwrap().contains_key("memory"));
            assert!(resources.requests.unwrap().contains_key("cpu"));
        }
    }
}

#[test]
fn every_documented_path_leads_to_a_service_that_stands() {
    let ingress = all::<Ingress>("Ingress").remove(0).spec.unwrap();
    let paths = ingress.rules.unwrap()[0].http.clone().unwrap().paths;
    let services = all::<Service>("Service");
    for path in &paths {
        let backend = path.backend.service.clone().unwrap();
        let found = services.iter().any(|s| s.metadata.name.as_deref() == Some(&backend.name));
        assert!(found, "{}", backend.name);
    }
    let document: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    for documented in document["paths"].as_object().unwrap().keys() {
        let leads = paths.iter().any(|path| {
            let given = path.path.as_deref().unwrap();
            let below = documented.strip_prefix(given);
            match path.path_type.as_str() {
                "Exact" => documented == given,
                _ => below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            }
        });
        assert!(leads, "no path leads to {documented}");
    }
}
