//! A real Chromium, driven by the WebDriver protocol over a local chromedriver.
//! Spoken by hand: the few commands needed are less than a client library brings.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Pages load in milliseconds; a machine that builds beside it needs seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The key under which WebDriver names elements, fixed by its standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What the driver says of an element that is not there, or no longer: pages that
/// wait reload by themselves, also between finding an element and reading it.
const GONE: [&str; 5] = [
    "no such element",
    "stale element reference",
    "does not belong to the document",
    "aborted by navigation",
    "Cannot find context",
];

const MISSING: &str = "this test drives a real browser: install the system packages chromium and \
    chromium-driver (`sudo make setup`), or name the programs in CHROMIUM and CHROMEDRIVER";

pub(crate) struct Browser {
    http: reqwest::Client,
    session: String,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    pub(crate) async fn start(has_javascript: bool) -> Self {
        let chromium = std::env::var("CHROMIUM").unwrap_or("/usr/bin/chromium".to_owned());
        let driver = std::env::var("CHROMEDRIVER").unwrap_or("/usr/bin/chromedriver".to_owned());
        assert!(Path::new(&chromium).exists() && Path::new(&driver).exists(), "{MISSING}");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new(driver)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own, so that a failing test leaves no browser behind.
            .process_group(0)
            .spawn()
            .expect(MISSING);
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT * 2).build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        testkit::wait_within(LIMIT, "chromedriver", async || {
            http.get(format!("{base}/status")).send().await.is_ok()
        })
        .await;
        let profile = tempfile::tempdir().unwrap();
        let wanted = wanted(&chromium, profile.path(), has_javascript);
        let mut browser = Self { http, session: base, driver, _profile: profile };
        let session = browser.post("/session", wanted).await.unwrap();
        let id = session["sessionId"].as_str().unwrap_or_else(|| panic!("{session}"));
        browser.session = format!("{}/session/{id}", browser.session);
        browser
    }

    /// Ends the browser in order; dropping it ends it too.
    pub(crate) async fn close(self) {
        self.http.delete(&self.session).send().await.unwrap();
    }

    pub(crate) async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await.unwrap();
    }

    pub(crate) async fn address(&self) -> String {
        self.get("/url").await.unwrap().as_str().unwrap().to_owned()
    }

    /// Replaces what stands in a field.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let element = self.element(css).await.unwrap_or_else(|| panic!("no {css}"));
        self.post(&format!("/element/{element}/clear"), json!({})).await.unwrap();
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await.unwrap();
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.element(css).await.unwrap_or_else(|| panic!("no {css}"));
        self.post(&format!("/element/{element}/click"), json!({})).await.unwrap();
    }

    /// What a field holds.
    pub(crate) async fn value(&self, css: &str) -> String {
        let element = self.element(css).await.unwrap_or_else(|| panic!("no {css}"));
        let value = self.get(&format!("/element/{element}/property/value")).await.unwrap();
        value.as_str().unwrap().to_owned()
    }

    /// The visible text; `None` while there is no such element.
    pub(crate) async fn text(&self, css: &str) -> Option<String> {
        let element = self.element(css).await?;
        let text = self.get(&format!("/element/{element}/text")).await?;
        text.as_str().map(ToOwned::to_owned)
    }

    /// Waits until the page says so.
    pub(crate) async fn wait_for_text(&self, css: &str, text: &str) {
        let what = format!("{text:?} in {css}");
        testkit::wait_within(LIMIT, &what, async || {
            self.text(css).await.is_some_and(|shown| shown.contains(text))
        })
        .await;
    }

    /// The value of an expression, by the driver's own script.
    pub(crate) async fn evaluate(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// What the browser complained about since the last time.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" })).await.unwrap();
        let lines = log.as_array().unwrap().iter().filter(|line| line["level"] == "SEVERE");
        lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.post("/window/rect", json!({ "width": width, "height": height })).await.unwrap();
    }

    /// Keeps a picture for people, below the build folder.
    pub(crate) async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("webform-ingress");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.get("/screenshot").await.unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap());
        std::fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    async fn element(&self, css: &str) -> Option<String> {
        let found = self.post("/element", json!({ "using": "css selector", "value": css })).await?;
        found[ELEMENT].as_str().map(ToOwned::to_owned)
    }

    async fn get(&self, path: &str) -> Option<Value> {
        self.answer(self.http.get(format!("{}{path}", self.session))).await
    }

    async fn post(&self, path: &str, body: Value) -> Option<Value> {
        self.answer(self.http.post(format!("{}{path}", self.session)).json(&body)).await
    }

    /// `None` for what is not there, or not any more: the page may be another by now.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Option<Value> {
        let response = request.send().await.unwrap();
        let is_success = response.status().is_success();
        let mut body: Value = response.json().await.unwrap();
        let value = body["value"].take();
        if is_success {
            return Some(value);
        }
        let error = format!("{}: {}", value["error"], value["message"]);
        assert!(GONE.iter().any(|gone| error.contains(gone)), "{error}");
        None
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.id());
        let _ended = Command::new("kill").args(["-TERM", "--", &group]).status();
        let _reaped = self.driver.wait();
    }
}

fn wanted(chromium: &str, profile: &Path, has_javascript: bool) -> Value {
    let mut arguments = vec![
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--window-size=1100,1250",
    ];
    let profile = format!("--user-data-dir={}", profile.display());
    arguments.push(&profile);
    if !has_javascript {
        arguments.push("--blink-settings=scriptEnabled=false");
    }
    json!({ "capabilities": { "alwaysMatch": {
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": chromium,
            "args": arguments,
        },
    }}})
}
