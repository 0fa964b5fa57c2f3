//! What the stages of a run must agree on, and the files that they need: told before the first begins, not hours into the run.

use super::{Config, Fault};
use crate::stage::Stage;

/// What would keep one of the stages up to `until` from beginning, as far as the configuration tells.
pub fn disagreements(config: &Config, until: Stage) -> Vec<Fault> {
    let of_stages = [
        (Stage::Tokenizer, missing_files(config, "tokenizer.")),
        (Stage::Laq, of_laq(config)),
        (Stage::Pretrain, of_pretraining(config)),
    ];
    of_stages.into_iter().filter(|(stage, _)| *stage <= until).flat_map(|(_, faults)| faults).collect()
}

fn of_laq(config: &Config) -> Vec<Fault> {
    let of_clips = config.laq.clip_faults(&config.data).into_iter();
    let mut faults: Vec<Fault> = of_clips.map(|(key, reason)| Fault { key, reason }).collect();
    faults.extend(missing_files(config, "laq."));
    faults
}

fn of_pretraining(config: &Config) -> Vec<Fault> {
    let (tokenizer, pretrain) = (&config.tokenizer.model, &config.pretrain);
    let merging = pretrain.model.merging_fault(tokenizer.grid());
    let merging = merging.map(|reason| Fault { key: "pretrain.model.merged_side".to_owned(), reason });
    let least = pretrain.least_row(tokenizer.tokens_per_frame(), config.laq.model.code_length);
    let length = pretrain.sequence.length;
    let too_short = (length < least).then(|| Fault {
        key: "pretrain.sequence.length".to_owned(),
        reason: format!("{length} tokens do not hold a sample: its frames and latent actions alone are {least}"),
    });
    merging.into_iter().chain(too_short).collect()
}

/// Files that are named under keys that begin so, and are not there.
fn missing_files(config: &Config, section: &str) -> Vec<Fault> {
    let files = config.named_files().into_iter().filter(|(key, _)| key.starts_with(section));
    let missing = files.filter_map(|(key, file)| Some((key, file.filter(|file| !file.is_file())?)));
    missing
        .map(|(key, file)| Fault { key: key.to_owned(), reason: format!("there is no file {}", file.display()) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigArgs, load};

    /// Keys of the faults of the preset `tiny`, changed so, in a run of all stages.
    fn faults(edit: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = load(&ConfigArgs { config: Some("tiny".to_owned()), set: Vec::new() }).unwrap();
        edit(&mut config);
        disagreements(&config, Stage::Evaluate).into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn the_stages_of_a_preset_agree() {
        for preset in ["tiny", "small", "simpler", "demo-quick", "vipra-7b"] {
            let config = load(&ConfigArgs { config: Some(preset.to_owned()), set: Vec::new() }).unwrap();
            let needs_files = preset == "vipra-7b";
            let others = disagreements(&config, Stage::Evaluate).into_iter();
            let others: Vec<Fault> =
                others.filter(|fault| !(needs_files && fault.reason.contains("no file"))).collect();
            assert_eq!(others, [], "{preset}");
        }
    }

    #[test]
    fn what_later_stages_would_say_is_told_at_once() {
        assert_eq!(faults(|config| config.pretrain.sequence.length = 64), ["pretrain.sequence.length"]);
        assert_eq!(faults(|config| config.pretrain.model.merged_side = 3), ["pretrain.model.merged_side"]);
        assert_eq!(faults(|config| config.laq.model.frame_size = [32, 32]), ["laq.model.frame_size"]);
        assert_eq!(faults(|config| config.laq.loss.flow.weights = Some("none.pth".into())), ["laq.loss.flow.weights"]);
        assert_eq!(faults(|config| config.tokenizer.text.model = Some("none".into())), ["tokenizer.text.model"]);
    }

    #[test]
    fn stages_that_are_not_made_need_not_agree() {
        let mut config = load(&ConfigArgs { config: Some("tiny".to_owned()), set: Vec::new() }).unwrap();
        config.laq.model.frame_size = [32, 32];
        assert_eq!(disagreements(&config, Stage::Tokenizer), []);
    }
}
