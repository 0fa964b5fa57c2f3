//! Looks things up in the JSON schema of the configuration.

use serde_json::Value;

use super::Config;

/// The schema of [`Config`], from its types and doc comments.
pub fn of_config() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Follows `$ref`, and `anyOf` with null, to what describes the value.
pub fn resolve<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    if let Some(target) = node.get("$ref").and_then(Value::as_str) {
        let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.map_or(node, |found| resolve(root, found));
    }
    let optional = node.get("anyOf").and_then(Value::as_array);
    match optional.and_then(|cases| cases.iter().find(|case| case.get("type") != Some(&Value::from("null")))) {
        Some(case) => resolve(root, case),
        None => node,
    }
}

/// The schema of the value at `path`, as far as there is one.
pub fn at<'a>(root: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(resolve(root, root), |node, step| inner(root, node, step))
}

/// The schema of an entry of a section or list.
pub fn inner<'a>(root: &'a Value, node: &'a Value, step: &str) -> Option<&'a Value> {
    let node = resolve(root, node);
    let inner = match node.get("properties").and_then(|properties| properties.get(step)) {
        Some(property) => property,
        None => node.get("items").or_else(|| node.get("additionalProperties").filter(|inner| inner.is_object()))?,
    };
    Some(resolve(root, inner))
}

/// Whether a section is one of several, of which each has keys of its own.
pub fn is_choice(node: &Value) -> bool {
    node.get("oneOf").is_some()
}

/// The names that are valid in a section.
pub fn names(node: &Value) -> Vec<String> {
    let properties = node.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}

/// The values that are valid, where there is a closed list of them.
pub fn choices(node: &Value) -> Vec<String> {
    let listed = node.get("enum").and_then(Value::as_array).into_iter().flatten();
    let described = node.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    let single = described.flat_map(|case| {
        let several = case.get("enum").and_then(Value::as_array).into_iter().flatten();
        case.get("const").into_iter().chain(several)
    });
    listed.chain(single).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The doc comment of the property `name` of a section, on one line, and the values to choose from.
pub fn description(root: &Value, section: &Value, name: &str) -> Option<String> {
    let property = section.get("properties")?.get(name)?;
    let resolved = resolve(root, property);
    let text = property.get("description").or_else(|| resolved.get("description"))?;
    let text = without_citations(&text.as_str()?.split_whitespace().collect::<Vec<_>>().join(" "));
    match choices(resolved) {
        choices if choices.is_empty() => Some(text),
        choices => Some(format!("{text} One of: {}.", choices.join(", "))),
    }
}

/// Cuts out of a doc comment the sections of notes that it cites in brackets: users do not have them.
fn without_citations(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, bracket)) = rest.split_once('(') {
        let Some((inside, after)) = bracket.split_once(')') else { break };
        kept.push_str(before);
        match uncited(inside) {
            Some(inside) => kept.push_str(&format!("({inside})")),
            None => kept.truncate(kept.trim_end().len()),
        }
        rest = after;
    }
    kept + rest
}

/// What stands in brackets beside citations; None if nothing does.
fn uncited(inside: &str) -> Option<String> {
    const SIGNS: [char; 2] = [',', ';'];
    let (mut kept, mut is_citation) = (String::new(), false);
    for part in inside.split_inclusive(SIGNS) {
        let words = part.trim_end_matches(SIGNS).trim();
        let cited = ["reference ", "interfaces "].iter().find_map(|notes| words.strip_prefix(notes));
        // Several sections of the same notes: "reference 1, 2".
        is_citation = cited.is_some_and(is_section) || is_citation && is_section(words);
        if !is_citation {
            kept.push_str(part);
        }
    }
    let kept = kept.trim().trim_end_matches(SIGNS);
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Whether a word is the number of a section, such as `3.4` or `b.9`.
fn is_section(word: &str) -> bool {
    let number = word.strip_prefix(|first: char| first.is_ascii_lowercase()).unwrap_or(word);
    !number.is_empty() && number.chars().all(|char| char.is_ascii_digit() || char == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_of_notes_are_cut_out() {
        for (text, shown) in [
            ("Epsilon of every norm (reference 3.4).", "Epsilon of every norm."),
            ("LeRobot's (interfaces b.9)", "LeRobot's"),
            ("The rate (0.1 in the release, reference 4).", "The rate (0.1 in the release)."),
            ("The rate (LPIPS; reference 0.4, 2), halved (reference 1) later.", "The rate (LPIPS), halved later."),
            ("Steps (reference 4; 12 of RAFT).", "Steps (12 of RAFT)."),
            ("Frames (two steps in the reference's finetuning; 1,000 at most).", ""),
            ("Open (reference 4", ""),
            ("None, reference 4, in no brackets.", ""),
        ] {
            assert_eq!(without_citations(text), if shown.is_empty() { text } else { shown });
        }
    }

    #[test]
    fn nothing_that_is_shown_cites_notes() {
        let shown = super::super::to_toml(&Config::default()).unwrap();
        let cites = |line: &&str| {
            let words: Vec<&str> =
                line.split_whitespace().map(|word| word.trim_matches(['(', ')', ',', '.'])).collect();
            words.windows(2).any(|pair| ["reference", "interfaces"].contains(&pair[0]) && is_section(pair[1]))
        };
        let citing: Vec<&str> = shown.lines().filter(cites).collect();
        assert!(citing.is_empty(), "{citing:#?}");
    }
}
