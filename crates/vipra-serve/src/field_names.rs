//! What each protocol calls the parts of an observation.

use crate::Error;

/// Names of the parts that a policy may refuse.
pub(crate) struct FieldNames {
    pub(crate) frames: &'static str,
    pub(crate) instruction: &'static str,
    pub(crate) proprio: &'static str,
}

impl FieldNames {
    /// A policy's refusal by the name that its client knows; other errors as they are.
    pub(crate) fn translate(&self, error: Error) -> Error {
        let Error::Refused { field, reason } = error else { return error };
        let known = match field.as_str() {
            "frames" => Some(self.frames),
            "instruction" => Some(self.instruction),
            "proprio" => Some(self.proprio),
            _ => None,
        };
        Error::Refused { field: known.map_or(field, str::to_owned), reason }
    }
}
