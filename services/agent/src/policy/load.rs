//! Reads `policy/` once at the start and refuses what is wrong, naming file and field.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Category, Plan};
use email_address::{EmailAddress, Options};

use crate::egress::Rows;
use crate::policy::files::{
    CategoriesFile, GuardFile, PeopleFile, RepliesFile, RuleEntry, RulesFile, SearchFile, Sets,
    SignEntry, TalkFile, TimesFile, WayEntry,
};
use crate::policy::folder::Folder;
use crate::policy::pattern::{Matcher, PatternId};
use crate::policy::signs::Sign;
use crate::policy::talk::Talk;
use crate::policy::{Guard, Policy, Readers, Rule, Taker, Way, examples, replies as texts};
use crate::sentiment::Dictionaries;

/// A file of the policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("policy file {file}: {field}: {problem}")]
pub struct PolicyError {
    pub file: String,
    pub field: String,
    pub problem: String,
}

pub(crate) fn wrong(file: &str, field: impl Into<String>, problem: impl ToString) -> PolicyError {
    let problem = problem.to_string();
    let first_line = problem.lines().next().unwrap_or_default().to_owned();
    PolicyError { file: file.to_owned(), field: field.into(), problem: first_line }
}

const FILES: &[&str] = &[
    "categories.yaml",
    "guard.yaml",
    "people.yaml",
    "replies.yaml",
    "rules.yaml",
    "search.yaml",
    "talk.yaml",
    "times.yaml",
];

/// Adds the patterns of one file and names the field of one that cannot be read.
struct PatternsOf<'a> {
    matcher: &'a mut Matcher,
    file: &'static str,
    sets: &'a Sets,
}

impl PatternsOf<'_> {
    fn add(&mut self, field: &str, sources: &[String]) -> Result<Vec<PatternId>, PolicyError> {
        let add = |(at, source): (usize, &String)| {
            let field = || format!("{field}[{at}]");
            self.matcher.add(source, self.sets).map_err(|error| wrong(self.file, field(), error))
        };
        sources.iter().enumerate().map(add).collect()
    }
}

impl Policy {
    /// Reads and checks the files of a policy folder.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let mut folder = Folder::new(path, "");
        let categories: CategoriesFile = folder.read("categories.yaml")?;
        let guard: GuardFile = folder.read("guard.yaml")?;
        let people: PeopleFile = folder.read("people.yaml")?;
        let replies: RepliesFile = folder.read("replies.yaml")?;
        let rules: RulesFile = folder.read("rules.yaml")?;
        let search: SearchFile = folder.read("search.yaml")?;
        let talk: TalkFile = folder.read("talk.yaml")?;
        let times: TimesFile = folder.read("times.yaml")?;
        let instructions = folder.text("instructions.md")?;
        let dictionaries = Dictionaries::load(&path.join("sentiment"))?;
        folder.add(dictionaries.hash());
        check_folder(path)?;
        check_search(&search)?;
        texts::check(&replies)?;

        let mut matcher = Matcher::new(&rules.real_words);
        let mut patterns =
            PatternsOf { matcher: &mut matcher, file: "rules.yaml", sets: &rules.sets };
        let always = read_rules("always", rules.always, &mut patterns)?;
        let likely = read_rules("likely", rules.likely, &mut patterns)?;
        let signs = read_signs(rules.signs, &mut patterns)?;
        let examples = examples::read(&mut folder)?;
        let ids: Vec<&str> = always.iter().chain(&likely).map(|rule| rule.id.as_str()).collect();
        examples::check(&examples, &ids)?;
        let talk = read_talk(talk, &mut matcher)?;
        let (cues, priorities) = read_cues(&categories, &mut matcher)?;
        let guard = read_guard(guard)?;
        let policy = Self {
            hash: folder.hash(),
            people: by_category(&people)?,
            first_answer: by_plan(times)?,
            replies,
            search,
            secret: Rows::of(&instructions),
            instructions: instructions.into(),
            examples,
            readers: Readers {
                matcher,
                always,
                likely,
                meaning: rules.meaning,
                signs,
                talk,
                cues,
                chosen: categories.chosen,
                priorities,
                otherwise: categories.otherwise,
            },
            guard,
            dictionaries,
        };
        texts::check_own_texts(&policy.replies, &policy.guard)?;
        Ok(policy)
    }
}

/// A file that nobody reads is most often a misspelt name.
fn check_folder(path: &Path) -> Result<(), PolicyError> {
    let entries = std::fs::read_dir(path).map_err(|error| wrong("policy", "folder", error))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        if is_yaml && !FILES.contains(&name.as_str()) {
            return Err(wrong(&name, "file", "is not a file of the policy"));
        }
    }
    Ok(())
}

fn by_category(file: &PeopleFile) -> Result<BTreeMap<Category, Taker>, PolicyError> {
    let mut people = BTreeMap::new();
    for (at, person) in file.people.iter().enumerate() {
        if person.name.trim().is_empty() {
            return Err(wrong("people.yaml", format!("people[{at}].name"), "is empty"));
        }
        if person.email.as_deref().is_some_and(|email| !is_address(email)) {
            let problem = "is no plain e-mail address";
            return Err(wrong("people.yaml", format!("people[{at}].email"), problem));
        }
        let taker = Taker { name: person.name.clone(), email: person.email.clone() };
        for category in &person.takes {
            if people.insert(*category, taker.clone()).is_some() {
                let field = format!("people[{at}].takes");
                return Err(wrong("people.yaml", field, format!("{category} stands twice")));
            }
        }
    }
    match Category::ALL.iter().find(|category| !people.contains_key(category)) {
        Some(missing) => Err(wrong("people.yaml", "people", format!("nobody takes {missing}"))),
        None => Ok(people),
    }
}

/// As it stands in a header: without a name beside it.
fn is_address(text: &str) -> bool {
    let plain = Options::default().without_display_text().without_domain_literal();
    text.is_ascii() && EmailAddress::parse_with_options(text, plain).is_ok()
}

fn by_plan(file: TimesFile) -> Result<BTreeMap<Plan, String>, PolicyError> {
    match Plan::ALL.iter().find(|plan| !file.first_answer.contains_key(plan)) {
        Some(plan) => Err(wrong("times.yaml", format!("first_answer.{plan}"), "is missing")),
        None => Ok(file.first_answer),
    }
}

fn check_search(search: &SearchFile) -> Result<(), PolicyError> {
    for (field, value) in
        [("answer_from", search.answer_from), ("wish_answer_from", search.wish_answer_from)]
    {
        if !(0.0..=1.0).contains(&value) {
            return Err(wrong("search.yaml", field, "is not between 0 and 1"));
        }
    }
    let terms = (1..=64).contains(&search.max_terms);
    if terms { Ok(()) } else { Err(wrong("search.yaml", "max_terms", "is not between 1 and 64")) }
}

/// The rules of one list of rules.yaml.
fn read_rules(
    list: &str,
    entries: Vec<RuleEntry>,
    patterns: &mut PatternsOf<'_>,
) -> Result<Vec<Rule>, PolicyError> {
    let mut rules: Vec<Rule> = Vec::new();
    for entry in entries {
        let field = |part: &str| format!("{list}.{}.{part}", entry.id);
        if rules.iter().any(|rule| rule.id == entry.id) {
            return Err(wrong("rules.yaml", field("id"), "stands twice"));
        }
        let first = WayEntry { when: entry.when, unless: entry.unless, also: entry.also };
        let mut ways = Vec::new();
        for (at, way) in std::iter::once(first).chain(entry.or).enumerate() {
            let field = |part: &str| match at {
                0 => field(part),
                _ => field(&format!("or[{}].{part}", at - 1)),
            };
            if way.when.is_empty() {
                return Err(wrong("rules.yaml", field("when"), "is empty"));
            }
            ways.push(Way {
                when: patterns.add(&field("when"), &way.when)?,
                unless: patterns.add(&field("unless"), &way.unless)?,
                also: patterns.add(&field("also"), &way.also)?,
            });
        }
        rules.push(Rule {
            ways,
            contains: entry.contains.iter().map(|text| text.to_lowercase()).collect(),
            id: entry.id,
            category: entry.category,
            priority: entry.priority,
            reason: entry.reason,
            next_step: entry.next_step,
            mood: entry.mood,
        });
    }
    Ok(rules)
}

fn read_signs(
    entries: Vec<SignEntry>,
    patterns: &mut PatternsOf<'_>,
) -> Result<Vec<Sign>, PolicyError> {
    let read = |entry: SignEntry| {
        let field = |part: &str| format!("signs.{}.{part}", entry.id);
        let when = patterns.add(&field("when"), &entry.when)?;
        let unless = patterns.add(&field("unless"), &entry.unless)?;
        Ok(Sign { adds: entry.adds, way: Way { when, unless, also: Vec::new() } })
    };
    entries.into_iter().map(read).collect()
}

fn read_talk(file: TalkFile, matcher: &mut Matcher) -> Result<Talk, PolicyError> {
    let mut patterns = PatternsOf { matcher, file: "talk.yaml", sets: &file.sets };
    Ok(Talk {
        trouble: patterns.add("trouble", &file.trouble)?,
        greeting: patterns.add("greeting", &file.greeting)?,
        thanks: patterns.add("thanks", &file.thanks)?,
        praise: patterns.add("praise", &file.praise)?,
        feedback: patterns.add("feedback", &file.feedback)?,
        wish: patterns.add("wish", &file.wish)?,
        spam: patterns.add("spam", &file.spam)?,
        automatic: patterns.add("automatic", &file.automatic)?,
    })
}

type Cues = (Vec<(Category, Vec<PatternId>)>, Vec<(contract::Priority, Vec<PatternId>)>);

fn read_cues(file: &CategoriesFile, matcher: &mut Matcher) -> Result<Cues, PolicyError> {
    let mut patterns = PatternsOf { matcher, file: "categories.yaml", sets: &file.sets };
    let mut categories = Vec::new();
    for (category, sources) in &file.categories {
        categories.push((*category, patterns.add(&format!("categories.{category}"), sources)?));
    }
    let mut priorities = Vec::new();
    // The gravest first.
    for (priority, sources) in file.priorities.iter().rev() {
        priorities.push((*priority, patterns.add(&format!("priorities.{priority}"), sources)?));
    }
    Ok((categories, priorities))
}

fn read_guard(file: GuardFile) -> Result<Guard, PolicyError> {
    let read = |field: &str, sources: &[String]| {
        let mut matcher = Matcher::new(&[]);
        PatternsOf { matcher: &mut matcher, file: "guard.yaml", sets: &file.sets }
            .add(field, sources)?;
        Ok(matcher)
    };
    let matcher = read("refuse", &file.refuse)?;
    let hand_over = read("hand_over", &file.hand_over)?;
    if let Some(at) = file.remove.iter().position(|phrase| phrase.trim().is_empty()) {
        return Err(wrong("guard.yaml", format!("remove[{at}]"), "is empty"));
    }
    let is_host =
        |link: &&String| url::Host::parse(link).is_ok_and(|host| host.to_string() == **link);
    if let Some(link) = file.links.iter().find(|link| !is_host(link)) {
        return Err(wrong("guard.yaml", "links", format!("{link:?} is not a host in lower case")));
    }
    if let Some(address) = file.addresses.iter().find(|address| !is_address(address)) {
        return Err(wrong("guard.yaml", "addresses", format!("{address:?} is no address")));
    }
    let GuardFile { remove, links, addresses, .. } = file;
    Ok(Guard { remove, matcher, hand_over, links, addresses })
}
