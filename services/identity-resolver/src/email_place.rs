//! Where a mail belongs and whether it is answered. Pure.

use contract::{Authentication, Channel, EmailMessage, MailKind};
use store::mail::{Candidate, Known, Via};

use crate::text::normal_email;

/// Why a mail gets no answer; the others are the words of their kinds.
const STAFF_UNPROVEN: &str = "staff_unproven";

/// A proven member of staff wrote it to others as well: it is not only for us to pass on.
const STAFF_ASIDE: &str = "staff_aside";

/// What becomes of a mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate<'a> {
    /// A member of staff says it to the customer of this conversation.
    Says { to: &'a Candidate, name: &'a str },
    /// It goes into this conversation, or opens one.
    Stored { joins: Option<&'a Candidate>, no_answer: Option<&'static str> },
}

/// A wrong join shows one person another's ticket, a wrong opening costs a person a
/// click: in doubt a mail opens a conversation of its own.
pub(crate) fn fate<'a>(mail: &EmailMessage, known: &'a Known) -> Fate<'a> {
    let is_human = mail.kind == MailKind::Human;
    let no_answer = (!is_human).then(|| mail.kind.as_str());
    let alone = |no_answer| Fate::Stored { joins: None, no_answer };
    if let Some(name) = &known.staff_name {
        // Never among the words of a customer, whom they may be about.
        return match (mail.authentication, is_human) {
            (_, false) => alone(no_answer),
            (Authentication::Pass, true) => match said_to(known) {
                Some(_) if is_aside(mail) => alone(Some(STAFF_ASIDE)),
                Some(to) => Fate::Says { to, name },
                None => alone(None),
            },
            (_, true) => alone(Some(STAFF_UNPROVEN)),
        };
    }
    let may_join = |candidate: &&Candidate| {
        !candidate.is_closed
            && candidate.channel == Channel::Email
            && belongs(mail.kind, known, candidate)
    };
    let joins = match mail.authentication {
        Authentication::Fail => None,
        Authentication::Pass | Authentication::None => known.candidates.iter().find(may_join),
    };
    Fate::Stored { joins, no_answer }
}

/// Whether the sender is known in the conversation, in the way that pointed to it.
fn belongs(kind: MailKind, known: &Known, candidate: &Candidate) -> bool {
    match candidate.via {
        // What a machine says about a mail of ours has the machine's own sender.
        Via::Header => candidate.is_participant || is_report(kind),
        Via::Thread => candidate.is_participant,
        Via::Token => kind == MailKind::Human && known.customer == Some(candidate.customer_id),
    }
}

fn is_report(kind: MailKind) -> bool {
    matches!(kind, MailKind::Bounce | MailKind::Receipt | MailKind::AutoReply)
}

/// Whether somebody beside us has it already: the customer, or a colleague for whom it is
/// meant.
fn is_aside(mail: &EmailMessage) -> bool {
    let mailbox = normal_email(&mail.mailbox);
    mail.to.iter().chain(&mail.cc).any(|address| normal_email(address) != mailbox)
}

/// The conversation, of any channel, about which a hand-off went to staff. Gmail's own
/// threads are no proof of what is answered.
fn said_to(known: &Known) -> Option<&Candidate> {
    known.candidates.iter().find(|candidate| candidate.via != Via::Thread)
}

#[cfg(test)]
mod tests {
    use contract::{ConversationId, CustomerId, IdentityLevel};

    use super::*;

    fn candidate(via: Via, change: impl FnOnce(&mut Candidate)) -> Candidate {
        let mut candidate = Candidate {
            conversation_id: ConversationId::named("one"),
            customer_id: CustomerId::named("ana"),
            channel: Channel::Email,
            last_seq: 1,
            via,
            is_participant: true,
            level: IdentityLevel::Authenticated,
            is_closed: false,
        };
        change(&mut candidate);
        candidate
    }

    fn known(candidate: Candidate) -> Known {
        Known {
            stored_in: None,
            customer: Some(CustomerId::named("ana")),
            level: None,
            plan: None,
            staff_name: None,
            candidates: vec![candidate],
        }
    }

    fn mail(kind: MailKind, authentication: Authentication) -> EmailMessage {
        EmailMessage {
            mailbox: "support@taskflow.example".into(),
            gmail_id: "1".into(),
            thread_id: "1".into(),
            message_id: None,
            in_reply_to: Vec::new(),
            references: Vec::new(),
            from: "ana@example.org".into(),
            from_name: String::new(),
            reply_to: "ana@example.org".into(),
            to: Vec::new(),
            cc: Vec::new(),
            subject: String::new(),
            text: String::new(),
            original_text: None,
            attachments: Vec::new(),
            kind,
            authentication,
        }
    }

    fn joins(mail: &EmailMessage, known: &Known) -> bool {
        matches!(fate(mail, known), Fate::Stored { joins: Some(_), .. })
    }

    #[test]
    fn a_person_joins_as_a_participant_and_by_the_token_of_the_own_ticket_only() {
        let human = mail(MailKind::Human, Authentication::None);
        let stranger = |candidate: &mut Candidate| candidate.is_participant = false;
        let another = |candidate: &mut Candidate| candidate.customer_id = CustomerId::named("bob");

        for via in [Via::Header, Via::Thread] {
            assert!(joins(&human, &known(candidate(via, another))));
            assert!(!joins(&human, &known(candidate(via, stranger))));
        }
        assert!(joins(&human, &known(candidate(Via::Token, stranger))));
        assert!(!joins(&human, &known(candidate(Via::Token, another))));
    }

    #[test]
    fn nobody_joins_with_a_forged_sender_a_closed_case_or_another_channel() {
        let pass = mail(MailKind::Human, Authentication::Pass);
        let forged = mail(MailKind::Human, Authentication::Fail);

        assert!(joins(&pass, &known(candidate(Via::Header, |_| {}))));
        assert!(!joins(&forged, &known(candidate(Via::Header, |_| {}))));
        assert!(!joins(&pass, &known(candidate(Via::Header, |one| one.is_closed = true))));
        let of_the_form = |one: &mut Candidate| one.channel = Channel::WebForm;
        assert!(!joins(&pass, &known(candidate(Via::Token, of_the_form))));
    }

    #[test]
    fn a_machines_report_joins_by_its_headers_whoever_sends_it() {
        let stranger = || candidate(Via::Header, |candidate| candidate.is_participant = false);
        for (kind, expected) in [
            (MailKind::Bounce, true),
            (MailKind::Receipt, true),
            (MailKind::AutoReply, true),
            (MailKind::Human, false),
            (MailKind::List, false),
            (MailKind::Loop, false),
            (MailKind::Notice, false),
        ] {
            assert_eq!(joins(&mail(kind, Authentication::None), &known(stranger())), expected);
        }
        let token = candidate(Via::Token, |_| {});
        assert!(!joins(&mail(MailKind::AutoReply, Authentication::Pass), &known(token)));
    }

    #[test]
    fn staff_speak_for_us_only_when_proven_and_never_become_a_customers_words() {
        let staff =
            |candidate: Candidate| Known { staff_name: Some("lisa".into()), ..known(candidate) };
        let whatsapp = staff(candidate(Via::Header, |one| one.channel = Channel::Whatsapp));
        let alone = |no_answer| Fate::Stored { joins: None, no_answer };

        assert!(matches!(
            fate(&mail(MailKind::Human, Authentication::Pass), &whatsapp),
            Fate::Says { name: "lisa", .. }
        ));
        for unproven in [Authentication::None, Authentication::Fail] {
            let mail = mail(MailKind::Human, unproven);
            assert_eq!(fate(&mail, &whatsapp), alone(Some("staff_unproven")));
        }
        let vacation = mail(MailKind::AutoReply, Authentication::Pass);
        assert_eq!(fate(&vacation, &whatsapp), alone(Some("auto_reply")));
        for (to, cc) in [
            (vec!["ana@example.org"], vec!["support@taskflow.example"]),
            (vec!["Support@taskflow.example"], vec!["colleague@taskflow.example"]),
        ] {
            let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect();
            let mut aside = mail(MailKind::Human, Authentication::Pass);
            (aside.to, aside.cc) = (owned(to), owned(cc));
            assert_eq!(fate(&aside, &whatsapp), alone(Some("staff_aside")));
            aside.to = vec!["Support@taskflow.example".to_owned()];
            aside.cc.clear();
            assert!(matches!(fate(&aside, &whatsapp), Fate::Says { .. }));
        }
        let in_thread = staff(candidate(Via::Thread, |_| {}));
        assert_eq!(fate(&mail(MailKind::Human, Authentication::Pass), &in_thread), alone(None));
    }
}
