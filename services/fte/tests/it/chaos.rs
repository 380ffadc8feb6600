//! Seeds of `fte chaos` that belong to the checks: load, faults and three truths.

use std::process::Stdio;
use std::time::Duration;

use testkit::wait_within;

use crate::product::fte;

/// Load, faults, recovery and the comparison, on a busy machine.
const LIMIT: Duration = Duration::from_secs(900);

#[tokio::test]
async fn sixty_conversations_and_eight_faults_break_no_promise_on_kafka() {
    holds(&["--seed", "5", "--conversations", "60", "--faults", "8", "--bus", "kafka"]).await;
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = fte(&["chaos", "--bus", "postgres", "--folder"]);
    let mut run = command.arg(folder.path()).stdout(Stdio::null()).spawn().unwrap();
    let of_run = || command_lines_with(folder.path().to_str().unwrap());
    let has = |words: &str| of_run().iter().any(|line| line.contains(words));
    wait_within(LIMIT, "the run to start", async || has("\0up\0") && has("postgres\0")).await;

    run.kill().unwrap();
    run.wait().unwrap();

    wait_within(LIMIT, "its processes to end", async || of_run().is_empty()).await;
}

/// What runs on this machine with this among its arguments, which end with zeros.
fn command_lines_with(words: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = lines.filter_map(|line| String::from_utf8(line).ok());
    lines.filter(|line| line.contains(words)).collect()
}

#[tokio::test]
#[ignore = "takes minutes: make test-faults"]
async fn two_hundred_conversations_break_no_promise_on_the_postgres_log() {
    holds(&["--seed", "11", "--conversations", "200", "--bus", "postgres"]).await;
}

#[tokio::test]
#[ignore = "takes minutes: make test-faults"]
async fn two_hundred_conversations_break_no_promise_on_kafka() {
    holds(&["--seed", "12", "--conversations", "200", "--bus", "kafka"]).await;
}

#[tokio::test]
#[ignore = "needs a build with crash points: make test-faults"]
async fn every_crash_point_is_met_and_breaks_no_promise_on_kafka() {
    crashes_everywhere("kafka").await;
}

#[tokio::test]
#[ignore = "needs a build with crash points: make test-faults"]
async fn every_crash_point_is_met_and_breaks_no_promise_on_the_postgres_log() {
    crashes_everywhere("postgres").await;
}

/// Each program ends once at each of its points.
async fn crashes_everywhere(bus: &str) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--seed", "21", "--conversations", "80", "--faults", "0", "--rest", "9m"];
    let mut command = fte(&["chaos"]);
    command
        .args(arguments)
        .args(["--bus", bus])
        .env("FTE_CRASH_POINT", "all")
        .env("FTE_CRASH_FOLDER", folder.path());

    promises_hold(command).await;

    let markers = std::fs::read_dir(folder.path()).unwrap().flatten();
    let met: Vec<_> = markers.map(|marker| marker.file_name().into_string().unwrap()).collect();
    for point in bus::CRASH_POINTS {
        assert!(met.iter().any(|marker| marker.starts_with(point)), "{point} of {met:?}");
    }
}

#[tokio::test]
#[ignore = "needs a build with crash points: make test-faults"]
async fn a_build_that_sends_again_after_a_time_out_is_found() {
    // Its schedule makes Twilio take messages and drop the connections, twice in a row.
    is_found(wrong_build("resend-on-time-out", [92, 100, 14]), "was sent 2 times").await;
}

#[tokio::test]
#[ignore = "needs a build with crash points: make test-faults"]
async fn a_build_that_commits_before_its_work_is_found() {
    // Its schedule kills an identity-resolver that has more to do.
    is_found(wrong_build("commit-before-work", [17, 100, 9]), "is lost").await;
}

#[tokio::test]
#[ignore = "needs a build with crash points: make test-faults"]
async fn a_build_that_looks_for_a_takeover_only_while_drafting_is_found() {
    // Its schedule stops the dispatcher while people take what the agent has just answered.
    let mut command = wrong_build("fence-at-draft", [6, 240, 9]);
    command.env("FTE_BURST_WINDOW_MS", "100");
    is_found(command, "went after take had answered").await;
}

#[tokio::test]
#[ignore = "needs a build with crash points: make test-faults"]
async fn a_build_that_moves_the_cursor_before_it_publishes_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = wrong_build("cursor-before-publish", [4, 100, 9]);
    command.env("FTE_CRASH_POINT", "mailbox.read:2").env("FTE_CRASH_FOLDER", folder.path());
    is_found(command, "is lost").await;
}

#[tokio::test]
#[ignore = "needs a build with crash points: make test-faults"]
async fn a_build_whose_ids_do_not_follow_from_their_cause_is_found() {
    // Every eighth message comes twice, under the same key.
    is_found(wrong_build("underived-ids", [4, 100, 9]), "] is stored").await;
}

/// A run of a build that makes this mistake.
fn wrong_build(mistake: &str, [seed, conversations, faults]: [u32; 3]) -> std::process::Command {
    let mut command = fte(&["chaos", "--bus", "postgres", "--rest", "40s"]);
    command.args(["--seed", &seed.to_string(), "--conversations", &conversations.to_string()]);
    command.args(["--faults", &faults.to_string()]).env("FTE_SABOTAGE", mistake);
    command
}

async fn is_found(command: std::process::Command, breach: &str) {
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output).await.expect("it did not end").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains(breach), "{said}");
}

#[test]
fn every_proof_that_the_guarantees_name_is_a_test_of_this_name() {
    let top = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let text = std::fs::read_to_string(top.join("docs/guarantees.md")).unwrap();
    let named = text.split('`').skip(1).step_by(2).filter(|name| {
        name.matches('_').count() >= 3 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    });
    let mut sources = String::new();
    for parent in ["crates", "services"] {
        read_tests(&top.join(parent), &mut sources);
    }
    let mut count = 0;
    for name in named {
        count += 1;
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
    assert!(count > 15, "only {count} proofs are named");
}

fn read_tests(folder: &std::path::Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_tests(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

async fn holds(arguments: &[&str]) {
    let mut command = fte(&["chaos"]);
    command.args(arguments);
    promises_hold(command).await;
}

async fn promises_hold(command: std::process::Command) {
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output).await.expect("it did not end").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
}

#[tokio::test]
async fn a_schedule_is_printed_and_follows_from_the_seed() {
    let schedule = async |seed: &str| {
        let mut command = fte(&["chaos", "--dry-run", "--seed", seed]);
        let output = command.output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };

    assert_eq!(schedule("3").await, schedule("3").await);
    assert_ne!(schedule("3").await, schedule("4").await);
}
