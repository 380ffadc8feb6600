//! Holds the crates to their layers: who may use which library, and that services
//! never use each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A library and the crates that own it.
const OWNERS: [(&str, &[&str]); 5] = [
    ("rdkafka", &["bus"]),
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

/// Names under `[dependencies]`; what only tests use is free.
fn dependencies(folder: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("[dependencies]").unwrap();
    let section = rest.split("\n[").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn all() -> BTreeMap<String, Vec<String>> {
    let members = crates("crates").into_iter().chain(crates("services"));
    members.map(|(name, path)| (name, dependencies(&path))).collect()
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
