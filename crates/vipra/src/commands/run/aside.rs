//! What was made before from other things: moved away, not removed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::stage::Stage;

/// The folder of what was moved away.
const ASIDE: &str = "aside";

/// Moves the results of a stage to a free place in the run folder, and says where.
///
/// # Errors
/// If they cannot be moved.
pub fn set_aside(run: &Path, stage: Stage, folder: &Path) -> Result<PathBuf> {
    let aside = run.join(ASIDE);
    std::fs::create_dir_all(&aside).with_context(|| format!("making {}", aside.display()))?;
    let mut number = 1;
    let mut to = aside.join(format!("{}-{number}", stage.name()));
    while to.exists() {
        number += 1;
        to = aside.join(format!("{}-{number}", stage.name()));
    }
    std::fs::rename(folder, &to).with_context(|| format!("moving {} to {}", folder.display(), to.display()))?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let run = tempfile::tempdir().unwrap();
        for number in 1..=2 {
            let folder = run.path().join("laq");
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("number"), number.to_string()).unwrap();
            let to = set_aside(run.path(), Stage::Laq, &folder).unwrap();
            assert_eq!(to, run.path().join(format!("aside/laq-{number}")));
            assert_eq!(std::fs::read_to_string(to.join("number")).unwrap(), number.to_string());
            assert!(!folder.exists());
        }
    }
}
