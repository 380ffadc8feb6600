//! `fte eval` on a few tickets: what it prints, and when it fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::product::{fte, to_end};

const ARTICLE: &str = "# Repeat a task\n\nOpen the task, choose Repeat and set how often it comes \
    back.\n\n## Every second week\n\nChoose Weekly and set the interval to 2.\n";

/// The last label is wrong on purpose.
const TICKETS: &str = r#"{"id": "a", "channel": "email", "plan": "pro", "name": "Ada", "subject": "Refund", "message": "Please refund the last payment, I was charged twice.", "category": "billing", "priority": "high", "sentiment": "negative", "escalate": true, "rule": "always:billing"}
{"id": "b", "channel": "web_form", "message": "I want to talk to a human, please.", "category": "how-to", "escalate": "yes", "rule": "always:person"}
{"id": "c", "channel": "Web Form", "plan": "Gold", "subject": "Repeat", "message": "How do I repeat a task every second week?", "sentiment": 0.0, "escalate": false, "article": "repeat.md", "extra": [1]}
{"channel": "whatsapp", "message": "Thanks, love it!", "sentiment": "positive", "escalate": false}
{"id": "e", "channel": "whatsapp", "message": "Thanks!", "escalate": true}
"#;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(tickets: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("kb")).unwrap();
        fs::write(folder.path().join("kb/repeat.md"), ARTICLE).unwrap();
        fs::write(folder.path().join("set.jsonl"), tickets).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn eval(&self, more: &[&str]) -> Output {
        let (set, kb) = (self.path("set.jsonl"), self.path("kb"));
        let mut command = fte(&["eval"]);
        command.arg("--set").arg(set).arg("--kb").arg(kb).args(more);
        to_end(command).await
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_set_below_the_gate_says_what_and_ends_with_1() {
    let files = Files::new(TICKETS);

    let output = files.eval(&["--json", "--details"]).await;

    let (stdout, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("escalation is 80.0 %, below 97.0 %"), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let set = &report["sets"][0]["report"];
    assert_eq!((&set["always"]["right"], &set["always"]["n"]), (&2.into(), &2.into()));
    assert_eq!(set["escalations"]["should_and_does_not"], 1);
    assert_eq!((&set["top_1"]["right"], &set["top_1"]["n"]), (&1.into(), &1.into()));
    assert_eq!(set["category"]["n"], 2, "what has no label is not counted");
    assert_eq!((&set["sentiment"]["right"], &set["sentiment"]["n"]), (&3.into(), &3.into()));
    assert_eq!(report["sets"][0]["misses"][0]["id"], "e");
    assert_eq!(report["gate"]["passed"], false);
}

#[tokio::test]
async fn a_set_that_passes_is_printed_with_intervals_and_ends_with_0() {
    let files = Files::new(TICKETS);

    let output = files.eval(&["--gate-escalation", "0.8"]).await;

    let (stdout, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    for part in ["recall of ALWAYS", "95 % interval", "should \\ does", "label \\ judged"] {
        assert!(stdout.contains(part), "{part} is missing in {stdout}");
    }
}

#[tokio::test]
async fn a_wrong_line_and_details_of_an_untouched_set_are_refused_with_64() {
    let files =
        Files::new("{\"message\": \"fine\"}\n{\"message\": \"odd\", \"escalate\": \"maybe\"}\n");
    let wrong = files.eval(&[]).await;
    let untouched = to_end(fte(&["eval", "--set", "my-untouched.jsonl", "--details"])).await;

    assert_eq!(wrong.status.code(), Some(64));
    assert!(said(&wrong).1.contains("set.jsonl:2: escalate"), "{}", said(&wrong).1);
    assert_eq!(untouched.status.code(), Some(64));
    assert!(said(&untouched).1.contains("--details"));
}

#[tokio::test]
async fn sentences_are_judged_without_a_database() {
    let files = Files::new(
        "{\"text\": \"I love it.\", \"label\": \"positive\"}\n{\"text\": \"It is a stone.\", \"label\": \"negative\"}\n",
    );
    let set = files.path("set.jsonl");
    let mut command = fte(&["eval", "--details", "--sentiment"]);
    command.arg(set);

    let output = to_end(command).await;

    let (stdout, stderr) = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stdout.contains("50.0 %") && stdout.contains("line 2  sentiment"), "{stdout}");
}

/// The project's policy with other examples: one for each rule and two files of tickets.
fn policy_with_few_examples(folder: &Path) {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy");
    let copied = |from: &Path, to: &Path| {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    };
    copied(&policy, folder);
    copied(&policy.join("sentiment"), &folder.join("sentiment"));
    fs::create_dir(folder.join("examples")).unwrap();
    let rules = fs::read_to_string(policy.join("rules.yaml")).unwrap();
    // Signs have ids, too, and stand above the rules.
    let of_rules = rules.lines().skip_while(|line| *line != "always:");
    let ids = of_rules.filter_map(|line| line.strip_prefix("  - id: "));
    let entry = |id: &str| format!("  - {{rule: {id}, means: [about {id}]}}\n");
    let examples: String = ids.map(entry).collect();
    fs::write(folder.join("examples/rules.yaml"), format!("examples:\n{examples}")).unwrap();
    for (file, charge) in [("tickets-a.yaml", "ten dollars"), ("tickets-b.yaml", "nine euros")] {
        let tickets = format!(
            "tickets:\n  - {{rule: billing.refund-wanted, mood: neutral, \
             text: \"Refund\\n\\nPlease refund the {charge}.\"}}\n  - {{category: technical, \
             mood: neutral, text: \"The page is blank, it says {charge}.\"}}\n"
        );
        fs::write(folder.join("examples").join(file), tickets).unwrap();
    }
}

#[tokio::test]
async fn each_file_of_example_tickets_is_judged_by_what_the_others_teach() {
    let folder = tempfile::tempdir().unwrap();
    policy_with_few_examples(folder.path());
    let mut command = fte(&["eval", "--left-out", "--json", "--details", "--policy"]);
    command.arg(folder.path());

    let output = to_end(command).await;

    let (stdout, stderr) = said(&output);
    for file in ["tickets-a.yaml", "tickets-b.yaml"] {
        assert!(stderr.contains(&format!("without the 2 tickets of {file}")), "{stderr}");
    }
    let report: Value = serde_json::from_str(&stdout).expect(&stderr);
    let set = &report["sets"][0]["report"];
    assert_eq!((&set["tickets"], &set["always"]["n"]), (&4.into(), &2.into()));
    assert_eq!((&set["category"]["n"], &set["sentiment"]["n"]), (&4.into(), &4.into()));
    assert_eq!(set["top_1"]["n"], 0, "nothing is searched for");
}
