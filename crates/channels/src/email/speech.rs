//! What a text sounds like: a person, or a machine. Weak signs, for where no header speaks.

use super::lines::count;
use super::lists::PHRASES;
use super::new_text::has_word;

/// So many characters are listened to: a machine says what it is at its start.
const HEARD: usize = 6_000;

/// A text made comparable: lower case, straight apostrophes, single spaces; its sentences.
#[derive(Debug)]
pub(super) struct Speech {
    all: String,
    sentences: Vec<String>,
}

impl Speech {
    pub(super) fn of(text: &str) -> Self {
        let end = text.char_indices().nth(HEARD).map_or(text.len(), |(end, _)| end);
        let heard = text.get(..end).unwrap_or(text);
        let lower = heard.to_lowercase().replace(['’', '‘', '`'], "'");
        let all = lower.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { all, sentences: sentences(&lower) }
    }

    pub(super) fn says(&self, phrases: &[String]) -> bool {
        says(&self.all, phrases)
    }

    /// A question that is not one of a form letter.
    pub(super) fn asks(&self) -> bool {
        self.sentences.iter().any(|sentence| {
            let is_rhetorical = says_part(sentence, &PHRASES.rhetorical);
            is_question(sentence) && !is_rhetorical && size(sentence) > 1
        })
    }

    pub(super) fn greets(&self) -> bool {
        starts_with_any(&self.all, &PHRASES.greetings)
    }

    pub(super) fn is_in_first_person(&self) -> bool {
        self.says(&PHRASES.first_person)
    }

    /// Whether the text says of itself that a machine wrote it.
    pub(super) fn declares(&self) -> bool {
        self.sentences.iter().any(|sentence| is_declared(sentence))
    }

    /// Whether an answering machine says this, or one that writes by itself.
    pub(super) fn is_automatic(&self, subject: &str) -> bool {
        let phrases = &*PHRASES;
        if self.asks() || self.says(&phrases.troubles) {
            return false;
        }
        let says = |list: &[String]| self.says(list);
        let is_persons = says(&phrases.singular);
        let has_subject = starts_so(subject, &phrases.auto_subjects);
        let declares = self.declares();
        let promises = self.sentences.iter().any(|sentence| promises(sentence));
        let elsewhere = says(&phrases.contacts) || says(&phrases.unread);
        let returns = says(&phrases.returns) || elsewhere;
        let is_absent = match (says(&phrases.absence), has_subject) {
            (true, true) => true,
            (true, false) | (false, true) => returns,
            (false, false) => false,
        };
        let is_gone = says(&phrases.gone) && (declares || promises || elsewhere);
        // "I got your message and will try it" is a person's.
        let acknowledges = says(&phrases.received) && promises && !is_persons;
        if declares && !is_persons || says(&phrases.challenges) {
            return true;
        }
        let (machine, other) = self.shares();
        let is_mostly = |machine_times: usize, other_times: usize| {
            machine * machine_times >= other * other_times
        };
        (has_subject && (is_absent || declares) || acknowledges) && is_mostly(2, 1)
            || (is_gone || declares) && is_mostly(1, 1)
            || is_absent && is_mostly(1, 2)
    }

    /// How much a machine would say, and how much it would not.
    fn shares(&self) -> (usize, usize) {
        let phrases = &*PHRASES;
        let lists = [
            &phrases.absence,
            &phrases.returns,
            &phrases.unread,
            &phrases.contacts,
            &phrases.received,
            &phrases.cases,
            &phrases.gone,
            &phrases.challenges,
        ];
        let (mut machine, mut other) = (0, 0);
        for clause in self.sentences.iter().flat_map(|sentence| clauses(sentence)) {
            let is_machines = lists.iter().any(|list| says(clause, list))
                || promises(clause)
                || is_declared(clause);
            let asks_for_something = says(clause, &phrases.please)
                && !says(clause, &phrases.contacts)
                && !is_declared(clause);
            match size(clause) {
                size if asks_for_something => other += size,
                size if is_machines => machine += size,
                // Greetings, names and little words are anybody's.
                size if size > 3 => other += size,
                _ => {}
            }
        }
        (machine, other)
    }
}

fn is_declared(sentence: &str) -> bool {
    let phrases = &*PHRASES;
    let speaks_of_itself = || says(sentence, &phrases.this_mail);
    says(sentence, &phrases.declared) || says(sentence, &phrases.automatic) && speaks_of_itself()
}

/// Somebody will do something soon; who asks for it promises nothing.
fn promises(sentence: &str) -> bool {
    says(sentence, &PHRASES.soon) && !says(sentence, &PHRASES.please)
}

fn is_question(sentence: &str) -> bool {
    let is_mark = |symbol: char| matches!(symbol, '?' | '？' | '؟' | '\u{37e}' | '՞');
    let end = sentence.trim_end_matches(['"', ')', '\'', '“', '”', '»', ' ']);
    let unmarked = end.trim_end_matches(['.', '。', '!', '！', ' ']);
    end.ends_with(is_mark)
        || PHRASES.question_ends.iter().any(|mark| unmarked.ends_with(mark.as_str()))
        || starts_with_any(sentence, &PHRASES.question_starts)
}

/// Whether a subject begins so, whatever stands before its first word.
pub(super) fn starts_so(subject: &str, phrases: &[String]) -> bool {
    let lower = subject.to_lowercase().replace('’', "'");
    let lower =
        lower.trim_start_matches(|symbol: char| !symbol.is_alphanumeric() && symbol != '【');
    phrases.iter().any(|phrase| lower.starts_with(phrase.as_str()))
}

pub(super) fn says(text: &str, phrases: &[String]) -> bool {
    phrases.iter().any(|phrase| has_word(text, phrase))
}

fn says_part(text: &str, phrases: &[String]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase.as_str()))
}

fn starts_with_any(text: &str, words: &[String]) -> bool {
    let start = text.trim_start_matches(|symbol: char| !symbol.is_alphanumeric() && symbol != '¿');
    words.iter().any(|word| {
        let rest = start.strip_prefix(word.as_str());
        let ends = |rest: &str| !rest.starts_with(|symbol: char| symbol.is_alphanumeric());
        // Scripts without spaces have no ends of words.
        rest.is_some_and(|rest| word.chars().any(|symbol| symbol as u32 >= 0x0e00) || ends(rest))
    })
}

/// Words; where a script has no spaces, every second sign counts as one.
fn size(sentence: &str) -> usize {
    let is_dense = |symbol: &char| matches!(*symbol as u32, 0x0e00..=0x0eff | 0x3040..=0x9fff | 0xac00..=0xd7af);
    count(sentence).max(sentence.chars().filter(is_dense).count() / 2)
}

/// A line's end ends a sentence where the line is short, as in a list or a greeting.
fn sentences(text: &str) -> Vec<String> {
    const SHORT: usize = 40;
    let mut all = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut open = String::new();
        for line in paragraph.lines().map(str::trim) {
            if line.starts_with(['-', '*', '•']) {
                all.push(std::mem::take(&mut open));
            }
            open.push_str(line);
            open.push(if line.chars().count() < SHORT { '\n' } else { ' ' });
        }
        all.extend(open.split('\n').flat_map(split_sentences));
    }
    all.retain(|sentence| !sentence.trim().is_empty());
    all
}

fn split_sentences(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut symbols = text.chars().peekable();
    while let Some(symbol) = symbols.next() {
        if let Some(open) = all.last_mut() {
            open.push(symbol);
        }
        let ends = match symbol {
            '。' | '！' | '।' | '？' => true,
            '.' | '!' | '?' | '؟' | '\u{37e}' | '…' => {
                symbols.peek().is_none_or(|next| !next.is_alphanumeric() && *next != '.')
            }
            _ => false,
        };
        if ends {
            all.push(String::new());
        }
    }
    all.iter().map(|sentence| sentence.trim().to_owned()).collect()
}

fn clauses(sentence: &str) -> Vec<&str> {
    let mut all: Vec<&str> = sentence.split([',', ';', ':', '—', '–', '、', '，']).collect();
    for joint in &PHRASES.joints {
        all = all.into_iter().flat_map(|clause| clause.split(joint.as_str())).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_a_person_may_have_written_is_no_machines() {
        for (subject, text) in [
            ("Pause", "I will be out of the office next week. Please pause my subscription."),
            ("Out of office", "Please remove the out of office banner, nobody is away."),
            ("Closed", "Our office is closed on Friday. Please cancel the training."),
            (
                "No answer",
                "We have not received an answer. The ticket number is 4711. We expect one within two working days.",
            ),
            ("Urlaub", "Ich bin bis Freitag im Urlaub, die App meldet mich dauernd ab."),
            ("Auto", "Merci de désactiver la réponse automatique sur notre formulaire."),
            ("Rechnung", "Automatisch erzeugte Rechnungen haben den falschen Betrag."),
            (
                "Change",
                "My e-mail address has changed. Please use ana@example.org for the account.",
            ),
            ("Re: x", "I got your message, thanks. I will try it and get back to you."),
            (
                "Vacaciones",
                "Estamos de vacaciones hasta el lunes pero la facturación sigue fallando y los clientes se quejan.",
            ),
            ("User", "Ben no longer works here. Remove him from our workspace."),
            ("x", "自動返信の文面はどこで変更できますか。"),
        ] {
            assert!(!Speech::of(text).is_automatic(subject), "{text}");
        }
    }

    #[test]
    fn a_text_that_only_a_machine_writes_is_one() {
        for (subject, text) in [
            ("Re: x", "I am currently out of the office. I will respond upon my return on Monday."),
            (
                "Abwesend",
                "Ich bin vom 3. bis 14. Februar nicht erreichbar und habe keinen Zugriff auf meine E-Mails.",
            ),
            ("x", "Sono in ferie fino al 20 agosto, per urgenze contattare Luca."),
            (
                "Ticket",
                "Your ticket has been registered with number 99. An agent will answer as soon as possible.",
            ),
            (
                "Hello",
                "Thanks for reaching out! Our team will be in touch shortly. Questions? Call us.",
            ),
            ("Note", "Ben has left the company. Please contact office@example.org."),
            ("Certificate", "The certificate ends in 14 days. This is an automated message."),
            ("x", "您好，我正在休假，2月10日回来后回复您的邮件。"),
        ] {
            assert!(Speech::of(text).is_automatic(subject), "{text}");
        }
    }

    #[test]
    fn a_question_needs_no_mark_and_a_form_letters_is_none() {
        for question in [
            "Any news?",
            "ボードはどこですか。",
            "How do I export it",
            "怎么导出呢",
            "Ok (or not?)",
        ] {
            assert!(Speech::of(question).asks(), "{question}");
        }
        for none in ["Questions?", "Urgent?", "It works.", "See https://example.org/?a=1 for more"]
        {
            assert!(!Speech::of(none).asks(), "{none}");
        }
    }
}
