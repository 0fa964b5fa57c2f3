//! What the model is told of a task.

/// The words around an instruction (reference 7). They begin with the text of the token that begins a sample, so that
/// samples begin with two of it.
pub fn prompt(instruction: &str) -> String {
    format!("<s> You are a helpful assistant. USER: What action should the robot take to `{instruction}` ASSISTANT:")
}
