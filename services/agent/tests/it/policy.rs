//! The policy on sentences as customers write them.

use agent::policy::Kind;
use contract::Category;

use crate::support::policy;

/// What belongs to a person, with the rule family that must say so.
const ALWAYS: &[(&str, &str)] = &[
    // refunds
    ("billing", "I want a refund for last month."),
    ("billing", "Please give me my money back, this tool is not for us."),
    ("billing", "How do I get a refund?"),
    ("billing", "Could you reimburse the annual fee? We stopped using it in March."),
    ("billing", "I still haven't received my refund."),
    ("billing", "why haven't you refunded me yet??"),
    ("billing", "I read your refund policy and would like to request a refund."),
    ("billing", "can i get my 49$ back please"),
    ("billing", "Refund please"),
    ("billing", "I need a refnd asap"),
    ("billing", "I don't want store credit, I want my money back."),
    ("billing", "Can't you just refund the difference?"),
    ("billing", "Quiero un reembolso del último pago."),
    ("billing", "Ich möchte mein Geld zurück."),
    ("billing", "Je voudrais un remboursement."),
    // charges
    ("billing", "Why was I charged $240 this morning?"),
    ("billing", "You billed us twice for January."),
    ("billing", "There is a charge on my card that I don't recognise."),
    ("billing", "I cancelled in May and I am still being charged."),
    ("billing", "I was charged after my trial although I had cancelled it."),
    ("billing", "I can't believe you charged me twice!"),
    (
        "billing",
        "We're paying for 12 seats but three of those people left, we never agreed to that charge.",
    ),
    ("billing", "An unexpected payment of 99€ was taken from my account."),
    ("billing", "We seem to have been overcharged this quarter."),
    // payments
    ("billing", "My payment keeps failing even though the card is fine."),
    ("billing", "I tried three different cards and all of them get declined."),
    ("billing", "The renewal payment was declined again, for the third time."),
    // invoices
    ("billing", "The invoice shows the wrong VAT number."),
    ("billing", "Our accounting needs a custom invoice with the purchase order number on it."),
    ("billing", "Please reissue invoice 2231 with our new company name."),
    // price
    ("billing", "We are 80 people, can you give us a discount?"),
    ("billing", "Asana offered us 20% less, can you match that price?"),
    ("billing", "I'd like to negotiate our renewal."),
    // privacy
    ("legal", "Under GDPR I ask you to erase everything you hold on me."),
    ("legal", "Please delete all my personal data from your systems."),
    ("legal", "What data do you store about me?"),
    ("legal", "I want a copy of all the personal information you have on file."),
    ("legal", "This is a data subject access request."),
    ("legal", "As a California resident I object to the sale of my data (CCPA)."),
    // threats
    ("legal", "If this is not fixed by Friday I will sue you."),
    ("legal", "You will hear from my lawyer."),
    ("legal", "We are considering legal action against TaskFlow."),
    ("legal", "I'll take you to court over this."),
    ("legal", "I am going to report you to the consumer protection authority."),
    // papers
    ("legal", "Attached is a subpoena for the records of a former employee."),
    ("legal", "Do you sign a data processing agreement?"),
    ("legal", "Could you send us your latest SOC 2 report?"),
    ("legal", "Is TaskFlow HIPAA compliant?"),
    ("legal", "In which country is our data stored?"),
    ("legal", "Does all customer data stay within the EU?"),
    // security
    ("security", "I think my account was hacked."),
    ("security", "Someone logged into my account from Vietnam last night."),
    ("security", "I see a login from a device I do not recognize."),
    ("security", "I got a password reset email that I never requested."),
    ("security", "There are sessions in my account that were not me."),
    ("security", "I found an XSS vulnerability in card comments."),
    ("security", "I'd like to report a security issue."),
    ("security", "I can see another company's boards in my workspace!"),
    ("security", "Our guests can see the private salary board."),
    ("security", "A read only member was able to delete two columns."),
    ("security", "A removed employee still has access to our boards."),
    ("security", "Someone changed the password of my account and it was not me."),
    // account
    ("account", "Please delete my account."),
    ("account", "How do I delete my account?"),
    ("account", "I want our whole workspace deleted."),
    ("account", "close my acount please"),
    ("account", "We need to transfer ownership of the workspace to Jana."),
    ("account", "The owner of our workspace left the company and nobody has admin rights."),
    ("account", "We would like to amend our contract."),
    (
        "account",
        "I lost my phone with the authenticator and I don't have the recovery codes either.",
    ),
    (
        "account",
        "My two-factor device is broken. The backup codes were on the same laptop and are gone.",
    ),
    ("account", "Bitte löschen Sie mein Konto."),
    ("account", "Quiero eliminar mi cuenta."),
    // a person
    ("person", "Can I talk to a human?"),
    ("person", "I want to speak with a real person."),
    ("person", "let me talk to your manager"),
    ("person", "Please escalate this."),
    ("person", "I don't want to chat with a bot."),
    ("person", "Is there someone on your support team I can speak to?"),
    ("person", "Please call me back."),
    ("person", "human please"),
    ("person", "Quiero hablar con una persona."),
    ("person", "Necesito un agente humano, por favor"),
    ("person", "Ich möchte mit einem Menschen sprechen."),
    ("person", "Kann ich bitte mit einem Mitarbeiter reden?"),
    ("person", "Je veux parler à un humain."),
    ("person", "Quero falar com um atendente."),
    ("person", "Vorrei parlare con un operatore."),
    ("person", "我要人工客服"),
];

/// What is never for a person at first contact.
const NEVER: &[&str] = &[
    "What is your refund policy?",
    "How do refunds work?",
    "Do you offer refunds?",
    "I do not want a refund, I just ask how it works.",
    "Would I get a refund if I downgraded in the middle of the year?",
    "Just curious: what happens to my money if I cancel, is there a money back guarantee?",
    "How do I add a card called Refunds to the board?",
    "When will I be charged?",
    "How much would we be charged if we add five users?",
    "How can I change my payment method?",
    "Where do I download my invoices?",
    "My card won't drag to the next column.",
    "The card view keeps loading, it never shows the description.",
    "How do I switch to annual billing?",
    "Do you have a discount for students?",
    "What does the Pro plan cost?",
    "How do I delete a board?",
    "How do I delete a card from our workspace?",
    "How can I remove a member from my workspace?",
    "Please tell me how to delete the label from my account settings page.",
    "How do I restore a board that I deleted?",
    "What happens to the boards when someone deletes their account?",
    "How do I change the owner of a card?",
    "How do I disconnect my Google account?",
    "I'd sue for a dark mode lol",
    "Our lawyers use TaskFlow for their cases. How do we give them read access?",
    "We have a board called GDPR project, how do I archive it?",
    "I have a card about the contract, how do I attach a PDF?",
    "Where are exported files saved on my computer?",
    "How do I turn on two-factor authentication?",
    "I lost my phone, how do I use my recovery codes to log in?",
    "How do I reset my password?",
    "I forgot my password and the reset email does not arrive.",
    "Can guests see private boards?",
    "I want guests to see only one board, how do I do that?",
    "How can I make sure that viewers can't edit cards?",
    "How do I see what other team members are working on?",
    "Who can delete a board?",
    "How do I protect my account from being hacked?",
    "Any growth hacks for using boards better?",
    "How do I assign a task to a person?",
    "How do I add someone to a board?",
    "Can I chat with my team inside a card?",
    "I showed this to my manager and she likes it. How do I invite her?",
    "How do I set a callback URL for the webhook?",
    "Cancel the invitation that I sent to Tom, how?",
    "The Slack integration does not connect.",
    "Notifications arrive late on my phone.",
    "It would be great to have recurring tasks.",
    "Thanks, that worked!",
    "Hello there",
    "I love the new calendar view.",
    "My layers plugin shows the wrong colors.",
    "We changed our plan yesterday, when does the change take effect?",
    "No person in my team gets the reminders, what can we check?",
    "Works now.\n\nOn Mon, 5 Jan 2026 at 10:00, Support wrote:\n> Do you want a refund? We can delete your account.",
    "How do I sort a column?\n-- \nKim Lee\nRefunds and legal action team",
];

fn families(text: &str) -> Vec<String> {
    let reading = policy().read(None, &[text], None);
    reading.hits.iter().map(|hit| hit.rule.split('.').next().unwrap().to_owned()).collect()
}

#[test]
fn what_always_belongs_to_a_person_is_found() {
    let policy = policy();

    let missed: Vec<_> = ALWAYS
        .iter()
        .filter(|(family, text)| {
            let reading = policy.read(None, &[text], None);
            !reading.hits.iter().any(|hit| hit.rule.starts_with(family))
        })
        .collect();

    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn what_never_belongs_to_a_person_is_left_alone() {
    let policy = policy();

    let wrong: Vec<_> = NEVER
        .iter()
        .filter_map(|text| {
            let hit = policy.read(None, &[text], None).hits.into_iter().next()?;
            Some((text, hit.rule, hit.words))
        })
        .collect();

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_request_in_the_subject_counts_like_one_in_the_message() {
    let reading = policy().read(Some("Refund request"), &["It is about order 7."], None);

    assert_eq!(reading.hits[0].rule, "billing.refund-wanted");
    assert_eq!(reading.category, Category::Billing);
}

#[test]
fn a_finding_is_explained_by_its_rule_and_the_words_it_found() {
    let text = "Hello. Nice tool, but I want a refund for May.";
    let reading = policy().read(None, &[text], None);
    let hit = &reading.hits[0];

    assert_eq!(hit.words, "want a refund");
    assert_eq!(&reading.own_words[hit.span.0..hit.span.1], hit.words);
    assert!(!hit.reason.is_empty());
}

#[test]
fn several_findings_put_the_gravest_first_and_a_wish_for_a_person_last() {
    let found = families("I want a refund, and someone hacked my account. Let me talk to a human.");

    assert_eq!(found.first().map(String::as_str), Some("security"));
    assert_eq!(found.last().map(String::as_str), Some("person"));
}

#[test]
fn the_kind_of_a_message_is_told() {
    for (text, expected) in [
        ("Thanks, that worked!", Kind::Thanks),
        ("Thank you so much for the quick help with the export!", Kind::Thanks),
        ("Thanks, but the export is still broken.", Kind::Question),
        ("Hello there", Kind::Greeting),
        ("👍", Kind::Empty),
        ("> quoted only", Kind::Empty),
        ("I love the new calendar view.", Kind::Praise),
        ("It would be great to have recurring tasks.", Kind::Wish),
        ("Please add dark mode", Kind::Wish),
        ("We offer SEO services to rank your website on the first page of Google.", Kind::Spam),
        ("I am out of office until Monday.", Kind::Automatic),
        ("How do I export a board?", Kind::Question),
    ] {
        assert_eq!(policy().read(None, &[text], None).kind, expected, "{text}");
    }
}

#[test]
fn the_category_follows_the_words_and_the_choice_decides_a_tie() {
    let policy = policy();
    let category = |text: &str, chosen| policy.read(None, &[text], chosen).category;

    for (text, expected) in [
        ("What does the yearly plan cost?", Category::Billing),
        ("I forgot my password", Category::Account),
        ("The Slack integration shows an error", Category::Technical),
        ("It would be great if boards had covers", Category::FeatureRequest),
        ("Tell me something", Category::General),
    ] {
        assert_eq!(category(text, None), expected, "{text}");
    }
    assert_eq!(category("Tell me something", Some(Category::Account)), Category::Account);
}
