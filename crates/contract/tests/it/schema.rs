//! Holds the schema against `proto/fields.lock`: a field's number and type are
//! for ever, and a new field is a deliberate line.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

fn proto_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

fn kind(field: &FieldDescriptor) -> String {
    let label = if field.is_list() { "repeated " } else { "" };
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
        scalar => format!("{scalar:?}").to_lowercase(),
    };
    format!("{label}{kind}")
}

fn message_lines(message: &MessageDescriptor) -> Vec<String> {
    message
        .fields()
        .map(|f| format!("{}.{} = {} {}", message.full_name(), f.name(), f.number(), kind(&f)))
        .collect()
}

/// One line per field and enum value of our package.
fn schema_of(proto_root: &Path) -> BTreeSet<String> {
    let folder = proto_root.join("fte/support/v1");
    let files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let compiled = protox::compile(&files, [proto_root]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(compiled).unwrap();
    let ours = |name: &str| name.starts_with("fte.");
    let fields =
        pool.all_messages().filter(|m| ours(m.full_name())).flat_map(|m| message_lines(&m));
    let values = pool.all_enums().filter(|e| ours(e.full_name())).flat_map(|e| {
        let name = e.full_name().to_owned();
        e.values().map(|v| format!("{name}.{} = {}", v.name(), v.number())).collect::<Vec<_>>()
    });
    fields.chain(values).collect()
}

/// What is wrong with `now` for whoever relies on `locked`.
fn breaches(locked: &BTreeSet<String>, now: &BTreeSet<String>) -> String {
    let mut report = String::new();
    for gone in locked.difference(now) {
        writeln!(report, "changed or removed, which breaks stored bytes: {gone}").unwrap();
    }
    for new in now.difference(locked) {
        writeln!(report, "new, add this line to proto/fields.lock: {new}").unwrap();
    }
    report
}

#[test]
fn the_schema_only_grows_and_each_new_field_is_locked() {
    let locked: BTreeSet<_> =
        include_str!("../../../../proto/fields.lock").lines().map(str::to_owned).collect();

    assert_eq!(breaches(&locked, &schema_of(&proto_root())), "");
}

#[test]
fn a_changed_number_or_type_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("fte/support/v1");
    std::fs::create_dir_all(&copy).unwrap();
    for entry in std::fs::read_dir(proto_root().join("fte/support/v1")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    let locked = schema_of(folder.path());
    let ticket = copy.join("ticket.proto");
    let original = std::fs::read_to_string(&ticket).unwrap();

    for (from, to) in
        [("uint64 seq = 2;", "uint64 seq = 3;"), ("uint64 seq = 2;", "int32 seq = 2;")]
    {
        std::fs::write(&ticket, original.replacen(from, to, 1)).unwrap();

        let report = breaches(&locked, &schema_of(folder.path()));

        assert!(report.contains("changed or removed, which breaks stored bytes: fte.support.v1.MessageStored.seq = 2 uint64"), "{report}");
    }
}
