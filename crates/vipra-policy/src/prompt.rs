//! What the model is told of a task.

use std::collections::{BTreeSet, HashMap};

use vipra_tokenizer::TextTokenizer;

use crate::Result;

/// The words around an instruction (reference 7). They begin with the text of the token that begins a sample, so that
/// samples begin with two of it.
pub fn prompt(instruction: &str) -> String {
    format!("<s> You are a helpful assistant. USER: What action should the robot take to `{instruction}` ASSISTANT:")
}

/// Tokens of each instruction within its budget, and of none at all, the empty one.
pub(crate) fn encode_instructions(
    mut tasks: BTreeSet<&str>,
    text: &TextTokenizer,
    budget: usize,
) -> Result<HashMap<String, Vec<u32>>> {
    let all = tasks.len();
    tasks.insert("");
    let (mut cut, mut encoded) = (Vec::new(), HashMap::new());
    for task in tasks {
        let mut tokens = text.encode(&prompt(task))?;
        if tokens.len() > budget {
            if !task.is_empty() {
                cut.push(format!("`{task}` ({} tokens)", tokens.len()));
            }
            tokens.truncate(budget);
        }
        encoded.insert(task.to_owned(), tokens);
    }
    if !cut.is_empty() {
        let first = cut.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        tracing::warn!("{} of {all} instructions are cut to {budget} tokens: {first}", cut.len());
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{INSTRUCTIONS, text_tokenizer};

    #[test]
    fn no_instruction_at_all_has_the_budget_of_others() {
        let text = text_tokenizer();
        let whole = |task: &str| text.encode(&prompt(task)).unwrap();
        let tokens = whole("").len();
        for budget in [tokens - 1, tokens] {
            let encoded = encode_instructions(BTreeSet::from([INSTRUCTIONS[0]]), &text, budget).unwrap();
            assert_eq!(encoded.len(), 2);
            for task in ["", INSTRUCTIONS[0]] {
                assert_eq!(encoded[task], whole(task)[..budget], "`{task}` within {budget} tokens");
            }
        }
    }
}
