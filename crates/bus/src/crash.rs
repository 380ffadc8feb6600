//! Named points between two effects, at which a build for tests ends its process as a
//! power cut would, and mistakes that such a build makes on purpose. Without the feature
//! `crash-points` there is nothing of either.

/// Every point, in the order of the flow. A process meets those of its own work.
pub const CRASH_POINTS: [&str; 20] = [
    "publish.before",
    "publish.after",
    "event.received",
    "event.handled",
    "event.finished",
    "mailbox.read",
    "mailbox.moved",
    "turn.read",
    "turn.decided",
    "turn.committed",
    "outbox.deleting",
    "outbox.deleted",
    "send.begun",
    "send.started",
    "send.answered",
    "send.written",
    "page.begun",
    "page.written",
    "mail.drafted",
    "mail.held",
];

/// Ends the process here if that is wanted; in a normal build this is nothing.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn crash_point(_name: &'static str) {}

/// Ends the process here, once in a run, when `FTE_CRASH_POINT` names this point (or is
/// `all`), at the nth time that the process comes by (`name:n`). `FTE_CRASH_FOLDER`
/// remembers which program has ended where.
#[cfg(feature = "crash-points")]
pub fn crash_point(name: &'static str) {
    use std::collections::HashMap;
    use std::sync::{Mutex, PoisonError};
    static PASSED: Mutex<Option<HashMap<&'static str, u32>>> = Mutex::new(None);

    debug_assert!(CRASH_POINTS.contains(&name), "{name} is no crash point");
    let Ok(wanted) = std::env::var("FTE_CRASH_POINT") else { return };
    let (point, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if point != name && point != "all" {
        return;
    }
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = passed.get_or_insert_default().entry(name).or_default();
    *count += 1;
    let Ok(folder) = std::env::var("FTE_CRASH_FOLDER") else { return };
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let marker = std::path::Path::new(&folder).join(format!("{name} {program}"));
    if *count >= nth.parse().unwrap_or(1) && std::fs::File::create_new(marker).is_ok() {
        std::process::abort();
    }
}

/// Whether this mistake is wanted; in a normal build none is.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn sabotage(_name: &'static str) -> bool {
    false
}

/// Whether `FTE_SABOTAGE` names this mistake: the harness must find it.
#[cfg(feature = "crash-points")]
pub fn sabotage(name: &'static str) -> bool {
    std::env::var("FTE_SABOTAGE").is_ok_and(|wanted| wanted == name)
}
