//! What the model is told of a task.

use std::collections::{BTreeSet, HashMap};

use vipra_tokenizer::TextTokenizer;

use crate::Result;

/// The words around an instruction (reference 7). They begin with the text of the token that begins a sample, so that
/// samples begin with two of it.
pub fn prompt(instruction: &str) -> String {
    format!("<s> You are a helpful assistant. USER: What action should the robot take to `{instruction}` ASSISTANT:")
}

/// Tokens of each instruction within its budget, and of none at all.
pub(crate) fn encode_instructions(
    tasks: BTreeSet<&str>,
    text: &TextTokenizer,
    budget: usize,
) -> Result<HashMap<String, Vec<u32>>> {
    let all = tasks.len();
    let mut cut = Vec::new();
    let mut encoded = HashMap::from([(String::new(), text.encode(&prompt(""))?)]);
    for task in tasks {
        let mut tokens = text.encode(&prompt(task))?;
        if tokens.len() > budget {
            cut.push(format!("`{task}` ({} tokens)", tokens.len()));
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
