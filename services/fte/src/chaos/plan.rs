//! Who writes what, where and when: a function of the seed.

use std::time::Duration;

use crate::chaos::dice::Dice;

/// Where a customer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    WebForm,
    Whatsapp,
    Email,
}

/// What happens in a conversation, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The customer writes this; the tag in it is its id in all three truths.
    Write { tag: String, text: &'static str, is_duplicated: bool },
    /// Nothing happens for a while.
    Pause(Duration),
    /// A person takes the conversation, writes this, and gives it back or keeps it.
    Take { reply: Option<String>, gives_back: bool },
}

/// One customer.
#[derive(Debug, Clone)]
pub(crate) struct Conversation {
    pub(crate) number: usize,
    pub(crate) channel: Channel,
    /// After the beginning of the run.
    pub(crate) begins: Duration,
    /// Its mails are an out-of-office's: nobody answers them.
    pub(crate) is_automatic: bool,
    pub(crate) steps: Vec<Step>,
}

const QUESTIONS: [&str; 6] = [
    "How do I export my board as a file?",
    "How do I reset my password?",
    "How do I invite a teammate to my board?",
    "I want a refund of the second payment, you charged me twice.",
    "Can I change the color of a card?",
    "Please let me talk to a person about my contract.",
];

const FOLLOW_UPS: [&str; 4] = [
    "And how do I reset my password?",
    "Does it also work on my phone?",
    "Thanks! And can I export it as PDF?",
    "It still does not work, what now?",
];

/// Mails that may begin at once, and in each minute after that: what follows from more would
/// wait for the mailbox's quota until long after the run.
const MAILS: f64 = 50.0;
const MAILS_PER_MINUTE: f64 = 12.0;

/// One in so many customers writes by mail.
const PER_MAIL: u64 = 10;

/// The conversations of a run, in the order of their beginning. They begin within
/// `span`, a few of them at the same moment.
pub(crate) fn conversations(seed: u64, count: usize, span: Duration) -> Vec<Conversation> {
    let mut dice = Dice::new(seed, 1);
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut begins = Vec::new();
    while begins.len() < count {
        let at = Duration::from_millis(dice.below(span_ms));
        let burst = if dice.once_in(6) { 4 } else { 1 };
        begins.extend(std::iter::repeat_n(at, burst));
    }
    begins.truncate(count);
    begins.sort();
    let mails = MAILS + MAILS_PER_MINUTE * span.as_secs_f64() / 60.0;
    let per_mail = (count as f64 / mails).ceil() as u64;
    let conversation = |(number, begins)| {
        let channel = channel(&mut dice, per_mail);
        conversation(&mut dice, seed, number, channel, begins)
    };
    begins.into_iter().enumerate().map(conversation).collect()
}

/// A channel, so that at least `per_mail` customers come to one who writes by mail.
fn channel(dice: &mut Dice, per_mail: u64) -> Channel {
    match dice.below(PER_MAIL) {
        0..=4 => Channel::WebForm,
        5..=8 => Channel::Whatsapp,
        _ if per_mail > PER_MAIL && dice.below(per_mail) >= PER_MAIL => Channel::Whatsapp,
        _ => Channel::Email,
    }
}

fn conversation(
    dice: &mut Dice,
    seed: u64,
    number: usize,
    channel: Channel,
    begins: Duration,
) -> Conversation {
    let is_automatic = channel == Channel::Email && dice.once_in(4);
    let mut steps = Vec::new();
    let mut written = 0;
    let mut write = |dice: &mut Dice, of: &[&'static str]| {
        let tag = format!("[s{seed}c{number}m{written}]");
        written += 1;
        let text = dice.pick(of).copied().unwrap_or_default();
        Step::Write { tag, text, is_duplicated: dice.once_in(8) }
    };
    steps.push(write(dice, &QUESTIONS));
    if !is_automatic {
        for _ in 0..dice.below(3) {
            // Within the burst window, or long after the answer.
            let wait = if dice.once_in(2) { 100 } else { 4_000 };
            steps.push(Step::Pause(Duration::from_millis(dice.below(wait))));
            steps.push(write(dice, &FOLLOW_UPS));
        }
        if dice.once_in(5) {
            steps.push(Step::Pause(Duration::from_millis(dice.below(1_500))));
            let reply =
                dice.once_in(2).then(|| format!("I look at it for you [s{seed}c{number}p]"));
            let gives_back = dice.once_in(2);
            steps.push(Step::Take { reply, gives_back });
            if dice.once_in(2) {
                steps.push(write(dice, &FOLLOW_UPS));
            }
        }
    }
    Conversation { number, channel, begins, is_automatic, steps }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    #[test]
    fn a_seed_gives_the_same_load_and_another_seed_another() {
        let texts = |seed| format!("{:?}", conversations(seed, 50, SPAN));

        assert_eq!(texts(7), texts(7));
        assert_ne!(texts(7), texts(8));
    }

    #[test]
    fn a_long_load_has_no_more_mails_than_the_mailbox_may_send() {
        let mails = |count, span| {
            let load = conversations(1, count, Duration::from_secs(span));
            load.iter().filter(|conversation| conversation.channel == Channel::Email).count()
        };

        assert!((40..=60).contains(&mails(500, 125)), "{}", mails(500, 125));
        assert!((450..=600).contains(&mails(10_000, 2_500)), "{}", mails(10_000, 2_500));
    }

    #[test]
    fn a_load_has_every_channel_duplicates_takeovers_and_tags_of_its_own() {
        let load = conversations(1, 200, SPAN);

        for channel in [Channel::WebForm, Channel::Whatsapp, Channel::Email] {
            assert!(load.iter().any(|conversation| conversation.channel == channel));
        }
        let steps = || load.iter().flat_map(|conversation| &conversation.steps);
        assert!(steps().any(|step| matches!(step, Step::Take { gives_back: true, .. })));
        assert!(steps().any(|step| matches!(step, Step::Write { is_duplicated: true, .. })));
        assert!(load.iter().any(|conversation| conversation.is_automatic));
        let tags = steps().filter_map(|step| match step {
            Step::Write { tag, .. } => Some(tag),
            _ => None,
        });
        let tags: Vec<_> = tags.collect();
        assert_eq!(tags.iter().collect::<HashSet<_>>().len(), tags.len());
    }
}
