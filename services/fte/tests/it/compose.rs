//! Holds docker-compose.yml, deploy/Dockerfile and .env.example against the code: every
//! program, variable, port and probe that they name exists, and none that is needed is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::manifests::{deployments, read, secret_of, services, settings};
use crate::product::{fte, to_end};

/// What runs beside the services.
const SERVERS: [&str; 2] = ["postgres", "kafka"];
const JOBS: [&str; 3] = ["migrate", "topics", "articles"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "x-service")]
    _service: Value,
    #[serde(rename = "x-environment")]
    _environment: Value,
    #[serde(rename = "x-twilio")]
    _twilio: Value,
    #[serde(rename = "x-gmail")]
    _gmail: Value,
    services: BTreeMap<String, Container>,
    volumes: BTreeMap<String, Option<Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Container {
    image: String,
    #[serde(default)]
    command: Vec<String>,
    restart: String,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    cap_drop: Vec<String>,
    #[serde(default)]
    security_opt: Vec<String>,
    stop_grace_period: Option<String>,
    #[serde(default)]
    profiles: Vec<String>,
    environment: BTreeMap<String, String>,
    #[serde(default)]
    ports: Vec<String>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    depends_on: BTreeMap<String, Dependency>,
    healthcheck: Healthcheck,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dependency {
    condition: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Healthcheck {
    #[serde(default)]
    disable: bool,
    #[serde(default)]
    test: Vec<String>,
    #[serde(rename = "interval")]
    _interval: Option<String>,
    #[serde(rename = "timeout")]
    _timeout: Option<String>,
    #[serde(rename = "retries")]
    _retries: Option<u32>,
    #[serde(rename = "start_period")]
    _start_period: Option<String>,
}

fn file() -> File {
    serde_saphyr::from_str(&read("docker-compose.yml")).unwrap()
}

/// The services of the product, without what they stand on.
fn product() -> BTreeMap<String, Container> {
    let beside = |name: &str| SERVERS.contains(&name) || JOBS.contains(&name);
    file().services.into_iter().filter(|(name, _)| !beside(name)).collect()
}

/// The variables that a value takes from outside, as `${NAME…}`.
fn taken(value: &str) -> Vec<&str> {
    let after = value.split("${").skip(1);
    after.map(|text| text.split([':', '}', '-']).next().unwrap()).collect()
}

fn port_of<'a>(container: &'a Container, variable: &str) -> Option<&'a str> {
    Some(container.environment.get(variable)?.strip_prefix("0.0.0.0:").unwrap())
}

#[test]
fn every_service_runs_its_program_under_the_rules_of_the_cluster() {
    let product = product();

    assert_eq!(product.keys().cloned().collect::<BTreeSet<_>>(), services());
    let drain = settings().into_iter().find(|setting| setting.name == "FTE_DRAIN").unwrap();
    let grace = humantime::parse_duration(&drain.default).unwrap() + Duration::from_secs(10);
    for (name, container) in &product {
        assert_eq!(container.command, [format!("/usr/local/bin/{name}")]);
        assert_eq!(container.restart, "unless-stopped", "{name}");
        assert!(container.read_only && container.cap_drop == ["ALL"], "{name}");
        assert_eq!(container.security_opt, ["no-new-privileges:true"], "{name}");
        let stop = container.stop_grace_period.as_deref().unwrap();
        assert_eq!(humantime::parse_duration(stop).unwrap(), grace, "{name}");
    }
    let images: BTreeSet<_> = product.values().map(|container| container.image.as_str()).collect();
    assert_eq!(images, BTreeSet::from(["${FTE_IMAGE:-fte:latest}"]));
}

#[test]
fn every_variable_is_a_setting_of_its_service_and_none_that_it_needs_is_missing() {
    let settings = settings();
    for (service, container) in product() {
        for name in container.environment.keys() {
            let known = settings.iter().any(|one| one.name == *name && one.is_read_by(&service));
            assert!(known, "{service} does not read {name}");
        }
        for setting in settings.iter().filter(|setting| setting.is_read_by(&service)) {
            let is_set = container.environment.contains_key(&setting.name);
            assert!(setting.default != "required" || is_set, "{service} needs {}", setting.name);
        }
        assert_eq!(container.environment["FTE_BUS"], "kafka");
        assert!(container.environment.contains_key("KAFKA_BOOTSTRAP_SERVERS"), "{service}");
    }
}

#[test]
fn a_service_gets_here_what_the_cluster_gives_it_as_a_secret() {
    let product = product();
    for (service, (_, _, container)) in deployments() {
        let variables = container.env.unwrap();
        let secrets = variables.iter().filter(|variable| secret_of(variable).is_some());
        // The broker of one machine asks for no password.
        for name in secrets.map(|one| &one.name).filter(|name| !name.starts_with("KAFKA_SASL_")) {
            assert!(product[&service].environment.contains_key(name), "{service} lacks {name}");
        }
    }
}

#[test]
fn the_example_of_settings_names_exactly_what_is_taken_from_it() {
    let all: Vec<String> = file()
        .services
        .into_values()
        .flat_map(|container| container.environment.into_values())
        .collect();
    let taken: BTreeSet<&str> = all.iter().flat_map(|value| taken(value)).collect();
    let example = read(".env.example");
    let given: BTreeSet<&str> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0))
        // Read by compose itself.
        .filter(|name| *name != "COMPOSE_PROFILES")
        .collect();

    assert_eq!(given, taken);
}

#[test]
fn ports_and_probes_are_those_that_the_service_listens_on() {
    let settings = settings();
    let serves = settings.iter().find(|setting| setting.name == "FTE_LISTEN").unwrap();
    let mut outside = BTreeSet::new();
    for (name, container) in product() {
        let probes = port_of(&container, "FTE_PROBES_LISTEN").unwrap();
        let url = format!("http://127.0.0.1:{probes}/readyz");
        let test = ["CMD", "/usr/local/bin/fte", "probe", &url];
        assert_eq!(container.healthcheck.test, test, "{name}");

        let listens = port_of(&container, "FTE_LISTEN");
        assert_eq!(listens.is_some(), serves.is_read_by(&name), "{name}");
        let inside = |port: &String| {
            let (host, inside) = port.strip_prefix("127.0.0.1:").unwrap().split_once(':').unwrap();
            assert!(outside.insert(host.to_owned()), "{host} is given twice");
            inside.to_owned()
        };
        let published: Vec<String> = container.ports.iter().map(inside).collect();
        assert_eq!(published, listens.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn nothing_starts_before_what_it_needs() {
    let file = file();
    for (name, container) in &file.services {
        for (needed, dependency) in &container.depends_on {
            let needed = &file.services[needed];
            let expected = match needed.restart.as_str() {
                "no" => "service_completed_successfully",
                _ => "service_healthy",
            };
            assert_eq!(dependency.condition, expected, "{name}");
            assert!(needed.profiles.is_empty(), "{name} waits for what may not start");
            assert_eq!(needed.healthcheck.disable, needed.restart == "no", "{name}");
        }
        let waits_for = |other: &str| container.depends_on.contains_key(other);
        let is_ready = match name.as_str() {
            "postgres" | "kafka" => container.depends_on.is_empty(),
            "migrate" => waits_for("postgres"),
            "topics" => waits_for("kafka") && waits_for("postgres"),
            "articles" => waits_for("migrate"),
            _ => waits_for("migrate") && waits_for("topics"),
        };
        assert!(is_ready, "{name}");
        for volume in &container.volumes {
            let name = volume.split(':').next().unwrap();
            assert!(file.volumes.contains_key(name), "{name} is no volume");
        }
    }
}

#[tokio::test]
async fn every_job_is_a_command_and_so_is_the_probe() {
    let containers = file().services;
    let jobs = JOBS.iter().map(|job| containers[*job].command.clone());
    let probes = containers.values().map(|container| container.healthcheck.test.clone());
    let probes = probes.filter(|test| test.iter().any(|word| word == "probe"));

    for command in jobs.chain(probes.map(|test| test[1..].to_vec()).take(1)) {
        let (program, arguments) = command.split_first().unwrap();
        assert_eq!(program, "/usr/local/bin/fte");
        let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        words.push("--help");
        let output = to_end(fte(&words)).await;
        assert!(output.status.success(), "{words:?}");
    }
}

#[test]
fn the_image_holds_every_program() {
    let text = read("deploy/Dockerfile");
    let after = |mark: &str| -> Vec<String> {
        let rests = text.split(mark).skip(1);
        rests.map(|rest| rest.split(['"', ' ', '\n']).next().unwrap().to_owned()).collect()
    };
    let (built, installed) = (after("--package "), after("\"$folder/"));

    let mut programs: Vec<String> = services().into_iter().collect();
    programs.push("fte".into());
    programs.sort();
    assert_eq!(built, programs);
    assert_eq!(installed, programs);
    let user: u32 = after("\nUSER ")[0].split(':').next().unwrap().parse().unwrap();
    assert!(user > 0);
    for (name, (_, pod, _)) in deployments() {
        let runs_as = pod.security_context.unwrap().run_as_user.unwrap();
        assert_eq!(u32::try_from(runs_as).unwrap(), user, "{name}");
    }
}
