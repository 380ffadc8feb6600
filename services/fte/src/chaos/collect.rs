//! Waits until a run is at rest, and gathers the three truths.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::ACCEPT;
use store::verify::{self, Patience};
use store::{verify_ledger, verify_load};
use tokio::time::{Instant, sleep};

use crate::chaos::compare::{self, Cut, Outlet, Truths, shown};
use crate::chaos::faults::Happened;
use crate::chaos::ledger::{self, ProviderSend};
use crate::chaos::load::Told;
use crate::chaos::schedule::Fault;
use crate::chaos::system::System;
use crate::output::line;

const LOOK: Duration = Duration::from_secs(2);

/// Asks until nothing is open and nothing is wrong, or the time is up: then what is wrong
/// stays in the truths.
pub(crate) async fn at_rest(
    system: &System,
    told: Vec<Told>,
    happened: &[Happened],
    limit: Duration,
) -> anyhow::Result<Truths> {
    let deadline = Instant::now() + limit;
    let mut truths = Truths { told, ..Truths::default() };
    let mut awaited = String::new();
    loop {
        let open = gather(system, happened, &mut truths).await;
        let judged = compare::judge(&truths);
        let breach = judged.iter().find_map(|judged| judged.breaches.first());
        match (open, breach) {
            (Ok(()), None) => break,
            (Err(error), _) if Instant::now() >= deadline => return Err(error),
            _ if Instant::now() >= deadline => break,
            (Err(error), _) => awaited = format!("{error:#}"),
            (Ok(()), Some(breach)) => awaited.clone_from(breach),
        }
        sleep(LOOK).await;
    }
    if !awaited.is_empty() {
        line(format!("last waited for: {awaited}"))?;
    }
    Ok(truths)
}

/// Reads all anew.
async fn gather(system: &System, happened: &[Happened], truths: &mut Truths) -> anyhow::Result<()> {
    // Before all else: what is closed now stays closed in what is read after it.
    truths.open = verify_load::open_work(&system.pool).await?;
    truths.stored = verify_load::messages(&system.pool).await?;
    truths.invariants = verify::check(&system.pool, Patience::NONE).await?;
    truths.outlets = vec![
        outlet(system, "whatsapp", ledger::read_twilio(&system.twilio).await?).await?,
        outlet(system, "email", ledger::read_gmail(&system.gmail).await?).await?,
    ];
    truths.cuts = cuts(system, happened)?;
    truths.unanswered = ledger::unanswered_by_twilio(&system.twilio).await?.into_iter().collect();
    truths.unanswered.extend(ledger::unanswered_by_gmail(&system.gmail).await?);
    truths.pages.clear();
    let http = reqwest::Client::new();
    for told in &truths.told {
        let Some(page) = &told.status_url else { continue };
        let page = http.get(format!("{}{page}", system.url)).header(ACCEPT, "application/json");
        let page = page.send().await?.error_for_status()?.json().await?;
        truths.pages.push((shown(told), page));
    }
    Ok(())
}

/// When dispatchers died, whatever of, and were frozen.
fn cuts(system: &System, happened: &[Happened]) -> anyhow::Result<Vec<Cut>> {
    const NAME: &str = "dispatcher";
    let died = system.deaths_of(NAME)?.into_iter().map(|at| Cut { from: at, until: at });
    let caused = happened.iter().filter_map(|happened| match happened.fault {
        Fault::Freeze(NAME, _) => Some(Cut { from: happened.at, until: happened.ended }),
        Fault::JoinAndKill(NAME, _) => Some(Cut { from: happened.ended, until: happened.ended }),
        _ => None,
    });
    Ok(died.chain(caused).collect())
}

async fn outlet(system: &System, name: &str, sends: Vec<ProviderSend>) -> anyhow::Result<Outlet> {
    let entries = verify_ledger::entries(&system.pool, name, DateTime::UNIX_EPOCH).await?;
    let others = verify_ledger::other_mails(&system.pool).await?.into_iter().collect();
    let ledger = ledger::balance(&entries, &sends, &others);
    Ok(Outlet { entries, sends, ledger })
}

/// From each of these instants to the first reply for a message that came after it,
/// sorted; instants after which nobody wrote are left out.
pub(crate) async fn recoveries(
    system: &System,
    faults: &[DateTime<Utc>],
) -> anyhow::Result<Vec<Duration>> {
    let flows = verify_load::flow_after(&system.pool, faults).await?;
    let times = faults.iter().zip(flows).filter_map(|(at, flow)| (flow? - *at).to_std().ok());
    let mut times: Vec<_> = times.collect();
    times.sort();
    Ok(times)
}
