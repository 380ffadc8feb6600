//! Words folded for comparison: lower case, no accents, contractions and short forms
//! written out.

pub(super) fn is_apostrophe(symbol: char) -> bool {
    matches!(symbol, '\'' | '’' | '‘' | '`' | '´')
}

/// Lower case, without accents, apostrophes as `'`.
pub(crate) fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for symbol in word.chars().flat_map(char::to_lowercase) {
        match symbol {
            'à'..='å' | 'ā' | 'ă' | 'ą' => folded.push('a'),
            'ç' | 'ć' | 'č' => folded.push('c'),
            'è'..='ë' | 'ē' | 'ę' | 'ě' => folded.push('e'),
            'ì'..='ï' | 'ī' | 'ı' => folded.push('i'),
            'ñ' | 'ń' | 'ň' => folded.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ő' => folded.push('o'),
            'ù'..='ü' | 'ū' | 'ů' | 'ű' => folded.push('u'),
            'ý' | 'ÿ' => folded.push('y'),
            'ś' | 'š' | 'ş' => folded.push('s'),
            'ź' | 'ż' | 'ž' => folded.push('z'),
            'ł' => folded.push('l'),
            'ğ' => folded.push('g'),
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            other if is_apostrophe(other) => folded.push('\''),
            '\u{300}'..='\u{36f}' => {}
            other => folded.push(other),
        }
    }
    folded
}

/// Words that are written in one and mean several, and short forms.
pub(super) fn expansion(folded: &str) -> Option<&'static str> {
    let words = match folded {
        "cannot" | "cant" | "can't" => "can not",
        "wont" | "won't" => "will not",
        "dont" => "do not",
        "doesnt" => "does not",
        "didnt" => "did not",
        "isnt" => "is not",
        "arent" => "are not",
        "wasnt" => "was not",
        "werent" => "were not",
        "havent" => "have not",
        "hasnt" => "has not",
        "hadnt" => "had not",
        "couldnt" => "could not",
        "wouldnt" => "would not",
        "shouldnt" => "should not",
        "ain't" | "aint" => "is not",
        "ive" => "i have",
        "im" => "i am",
        "gimme" => "give me",
        "lemme" => "let me",
        "wanna" => "want to",
        "gonna" => "going to",
        "gotta" => "have to",
        "pls" | "plz" | "plse" => "please",
        "u" => "you",
        "ur" => "your",
        "acct" => "account",
        "thx" | "tnx" => "thanks",
        "asap" => "as soon as possible",
        "sb" | "smb" => "somebody",
        "sbdy" => "somebody",
        _ => return None,
    };
    Some(words)
}

/// "don't" is "do not", "i'd" is "i would"; a possessive loses its ending.
pub(super) fn split_contraction(folded: &str) -> Vec<String> {
    if let Some(verb) = folded.strip_suffix("n't") {
        return vec![verb.to_owned(), "not".to_owned()];
    }
    let Some((stem, ending)) = folded.rsplit_once('\'') else { return vec![folded.to_owned()] };
    let second = match ending {
        "d" => "would",
        "ll" => "will",
        "ve" => "have",
        "re" => "are",
        "m" => "am",
        "s" if matches!(stem, "it" | "that" | "what" | "here" | "there" | "where" | "how") => "is",
        "s" | "" => return vec![stem.to_owned()],
        other => other,
    };
    vec![stem.to_owned(), second.to_owned()]
}
