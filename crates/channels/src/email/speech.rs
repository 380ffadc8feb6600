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
        let is_absent =
            says(&phrases.absence) && (has_subject || says(&phrases.returns) || elsewhere);
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
            &phrases.gone,
            &phrases.challenges,
        ];
        let (mut machine, mut other) = (0, 0);
        for clause in self.sentences.iter().flat_map(|sentence| clauses(sentence)) {
            let is_machines = lists.iter().any(|list| says(clause, list))
                || promises(clause)
                || is_declared(clause);
            match size(clause) {
                size if is_machines => machine += size,
                // Greetings, names and little words are anybody's.
                size if size > 4 => other += size,
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

/// Words; where a script has no spaces, every third sign counts as one.
fn size(sentence: &str) -> usize {
    let is_dense = |symbol: &char| matches!(*symbol as u32, 0x0e00..=0x0eff | 0x3040..=0x9fff | 0xac00..=0xd7af);
    count(sentence).max(sentence.chars().filter(is_dense).count() / 3)
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
