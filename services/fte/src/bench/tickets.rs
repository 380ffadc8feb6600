//! The tickets of the benchmark: ordinary questions and some that need a person,
//! each from another address, so that nothing is taken for a repetition.

/// Subject and message, written for the benchmark; every seventh needs a person.
const QUESTIONS: [(&str, &str); 14] = [
    ("Exporting", "How can I get one of my boards out as a spreadsheet file?"),
    ("Password", "I forgot my password and need to get back in, what do I do?"),
    ("Inviting", "How do I add two colleagues to our workspace?"),
    ("Reminders", "Where can I set a reminder before a due date?"),
    ("Recurring", "Can a task repeat every Monday by itself?"),
    ("Limits", "How large may a file be that I attach to a task?"),
    ("Refund", "Please refund the last payment, I was charged by mistake."),
    ("Import", "We are moving over from Trello, how do I import our lists?"),
    ("Two factor", "How do I switch on two-factor authentication with an app?"),
    ("Slack", "How do I connect a Slack channel to a board?"),
    ("Archive", "How do I bring back a board that I archived last week?"),
    ("Calendar", "Can I see my tasks in Google Calendar?"),
    ("Yearly", "How do I change from monthly to yearly billing?"),
    ("Deletion", "Please delete my account and all personal data you hold on me."),
];

/// Those of them that a model is asked.
const FOR_A_MODEL: usize = 6;

/// The nth ticket as a form body.
pub(crate) fn form(number: u64) -> String {
    of(number, number as usize % QUESTIONS.len())
}

/// The nth ticket of those that no rule takes from the model.
pub(crate) fn question(number: u64) -> String {
    of(number, number as usize % FOR_A_MODEL)
}

fn of(number: u64, at: usize) -> String {
    let (subject, message) = QUESTIONS.get(at).copied().unwrap_or_default();
    let text = |value: &str| value.replace(' ', "+").replace(',', "%2C").replace('?', "%3F");
    format!(
        "name=Sam+Doe&email=bench-{number}%40example.org&subject={}&message={}&plan=pro",
        text(subject),
        text(message)
    )
}
