//! The numbers of one set.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::eval::labels::Group;
use crate::eval::outcome::Outcome;
use crate::eval::share::Share;

/// What a set says of the agent.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) set: String,
    pub(crate) model: String,
    pub(crate) tickets: usize,
    /// Of the tickets of a rule `always:…`; without any such label there are none.
    pub(crate) always: Share,
    pub(crate) recall: Share,
    pub(crate) precision: Share,
    pub(crate) escalation: Share,
    /// By who takes the ticket.
    pub(crate) category: Share,
    /// With account by itself, where the set has it.
    pub(crate) category_with_account: Option<Share>,
    pub(crate) priority: Share,
    pub(crate) sentiment: Share,
    pub(crate) top_1: Share,
    pub(crate) top_3: Share,
    pub(crate) escalations: Escalations,
    pub(crate) categories: BTreeMap<Group, BTreeMap<Group, usize>>,
}

/// Who should go to a person, and who does.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Escalations {
    pub(crate) should_and_does: usize,
    pub(crate) should_and_does_not: usize,
    pub(crate) should_not_and_does: usize,
    pub(crate) should_not_and_does_not: usize,
}

impl Report {
    pub(crate) fn new(set: String, model: String, outcomes: &[Outcome]) -> Self {
        let escalations = escalations(outcomes);
        let Escalations {
            should_and_does: hits,
            should_and_does_not: missed,
            should_not_and_does: false_alarms,
            should_not_and_does_not: left,
        } = escalations;
        let all =
            |take: &dyn Fn(&Outcome) -> Option<bool>| Share::of(outcomes.iter().filter_map(take));
        let has_account = |outcome: &Outcome| outcome.expected.group == Some(Group::Account);
        Self {
            set,
            model,
            tickets: outcomes.len(),
            always: all(&|o| o.expected.is_always().then_some(o.escalates)),
            recall: Share { right: hits, of: hits + missed },
            precision: Share { right: hits, of: hits + false_alarms },
            escalation: Share { right: hits + left, of: hits + missed + false_alarms + left },
            category: all(&|o| Some(o.expected.group?.by_taker() == o.group.by_taker())),
            category_with_account: outcomes
                .iter()
                .any(has_account)
                .then(|| all(&|o| Some(o.expected.group? == o.group))),
            priority: all(&|o| Some(o.expected.priority? == o.priority)),
            sentiment: all(&|o| Some(o.expected.sentiment? == o.sentiment)),
            top_1: all(&|o| o.finds(1)),
            top_3: all(&|o| o.finds(3)),
            escalations,
            categories: categories(outcomes),
        }
    }
}

fn escalations(outcomes: &[Outcome]) -> Escalations {
    let count = |should: bool, does: bool| {
        let is = |outcome: &&Outcome| {
            outcome.expected.escalate == Some(should) && outcome.escalates == does
        };
        outcomes.iter().filter(is).count()
    };
    Escalations {
        should_and_does: count(true, true),
        should_and_does_not: count(true, false),
        should_not_and_does: count(false, true),
        should_not_and_does_not: count(false, false),
    }
}

/// How often each label was judged as each group; account by itself only where it is
/// a label.
fn categories(outcomes: &[Outcome]) -> BTreeMap<Group, BTreeMap<Group, usize>> {
    let is_apart = outcomes.iter().any(|o| o.expected.group == Some(Group::Account));
    let folded = |group: Group| if is_apart { group } else { group.by_taker() };
    let mut counts: BTreeMap<Group, BTreeMap<Group, usize>> = BTreeMap::new();
    for outcome in outcomes {
        let Some(expected) = outcome.expected.group else { continue };
        *counts.entry(expected).or_default().entry(folded(outcome.group)).or_default() += 1;
    }
    counts
}
