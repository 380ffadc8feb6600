//! Holds the crates to their layers: who may use which library, and that services
//! never use each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A library and the crates that own it.
const OWNERS: &[(&str, &[&str])] = &[
    ("rdkafka", &["bus"]),
    // Providers are spoken to in `channels`, models in the agent; the chassis gives it to
    // the exporter of traces.
    ("reqwest", &["agent", "channels", "chassis", "emulators", "fte"]),
    ("async-openai", &["agent"]),
    ("prost", &["contract"]),
    ("askama", &["webform-ingress"]),
    ("opentelemetry_sdk", &["chassis"]),
    ("tracing-subscriber", &["chassis"]),
];

/// Crates that write SQL; the others may pass pools and connections on.
const SQL_OWNERS: [&str; 2] = ["bus", "store"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Folder name and path of every crate below `parent`.
fn crates(parent: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(root().join(parent)).unwrap();
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect()
}

/// Every crate with what it uses, as cargo reads the manifests; what only tests use
/// is free.
fn all() -> BTreeMap<String, Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = cargo.current_dir(root()).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (name(package), dependencies(package))).collect()
}

fn dependencies(package: &Value) -> Vec<String> {
    let all = package["dependencies"].as_array().unwrap();
    all.iter().filter(|dependency| dependency["kind"] != "dev").map(name).collect()
}

fn name(named: &Value) -> String {
    named["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_library_is_used_only_by_its_owner() {
    let all = all();

    for (library, owners) in OWNERS {
        let users: Vec<_> = all
            .iter()
            .filter(|(_, uses)| uses.iter().any(|u| u == library))
            .map(|(n, _)| n)
            .collect();
        assert!(!users.is_empty(), "nobody uses {library}");
        for user in users {
            assert!(
                owners.contains(&user.as_str()),
                "{user} uses {library}, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn services_never_use_each_other() {
    let all = all();
    let services: Vec<_> = crates("services").into_iter().map(|(name, _)| name).collect();

    for (user, uses) in all.iter().filter(|(name, _)| *name != "fte") {
        for service in &services {
            assert!(!uses.contains(service), "{user} uses the service {service}");
        }
    }
}

#[test]
fn sql_stands_only_in_bus_and_store() {
    let mut sources = Vec::new();
    for (name, path) in crates("crates").into_iter().chain(crates("services")) {
        if !SQL_OWNERS.contains(&name.as_str()) {
            collect(&path.join("src"), &mut sources);
        }
    }

    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap();
        // A unit test may look into the tables.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for call in ["sqlx::query(", "sqlx::query_", "sqlx::raw_sql", "QueryBuilder"] {
            assert!(!text.contains(call), "{} holds {call}", path.display());
        }
    }
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
