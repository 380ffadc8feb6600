//! Our verdict on webhooks against that of Twilio's own library for Python, which
//! `scripts/setup.sh` installs. `FTE_SIGNATURE_CASES` asks for more cases than usual.

use std::path::{Path, PathBuf};
use std::process::Command;

use channels::twilio::signature::{Request, Verifier};
use serde::Deserialize;

const CASES: u32 = 500;
/// The same cases every time.
const SEED: &str = "1";

/// A webhook, and what the library says of it.
#[derive(Deserialize)]
struct Case {
    token: String,
    base: String,
    path: String,
    body: String,
    signature: String,
    accepted: bool,
    /// Which part has one byte changed.
    changed: Option<String>,
}

pub(crate) fn python() -> PathBuf {
    let runtime = std::env::var_os("FTE_RUNTIME_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.runtime"),
        PathBuf::from,
    );
    runtime.join("venv/bin/python")
}

fn cases(count: u32) -> Vec<Case> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/twilio_library.py");
    let output = Command::new(python()).arg(script).args([SEED, &count.to_string()]).output();
    let output = output.expect("no Python environment: run `make setup`");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Twilio's library fails, run `make setup`: {errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

impl Case {
    fn is_accepted(&self) -> bool {
        let (body, signature) = (bytes(&self.body), bytes(&self.signature));
        let verifier = Verifier::new([self.token.as_str()], [self.base.as_str()]);
        let request = Request {
            path_and_query: &self.path,
            signature: Some(&signature),
            settings: None,
            body: &body,
        };
        verifier.form(&request).is_ok()
    }
}

#[test]
fn what_twilios_library_signs_is_accepted_and_one_flipped_byte_is_not() {
    let count = std::env::var("FTE_SIGNATURE_CASES").map_or(CASES, |count| count.parse().unwrap());
    let (mut signed, mut refused) = (0, 0);

    for (number, case) in cases(count).iter().enumerate() {
        let url = format!("case {number}: {}{}", case.base, case.path);
        let is_accepted = case.is_accepted();
        assert_eq!(is_accepted, case.accepted, "{url}, changed: {:?}", case.changed);
        match case.changed {
            None => {
                assert!(is_accepted, "{url}");
                signed += 1;
            }
            Some(_) => refused += u32::from(!is_accepted),
        }
    }

    assert_eq!(signed, count);
    // A few changes mean the same: `%2b` is `%2B`.
    assert!(refused >= count * 9 / 10, "{refused} of {count} changed ones are refused");
}
