//! What the stages of a run must agree on, and the files that they need: told before the first begins, not hours into the run.

use std::path::Path;

use super::{Config, Fault};
use crate::commands::Stage;

/// What would keep one of the stages up to `until` from beginning, as far as the configuration tells.
pub fn disagreements(config: &Config, until: Stage) -> Vec<Fault> {
    let of_stages = [
        (Stage::Tokenizer, missing_files(&tokenizer_files(config))),
        (Stage::Laq, of_laq(config)),
        (Stage::Pretrain, of_pretraining(config)),
    ];
    of_stages.into_iter().filter(|(stage, _)| *stage <= until).flat_map(|(_, faults)| faults).collect()
}

fn of_laq(config: &Config) -> Vec<Fault> {
    let of_clips = config.laq.clip_faults(&config.data).into_iter();
    let mut faults: Vec<Fault> = of_clips.map(|(key, reason)| Fault { key, reason }).collect();
    faults.extend(missing_files(&laq_files(config)));
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

/// A key, and the file that it names.
type NamedFile<'a> = (&'static str, Option<&'a Path>);

fn tokenizer_files(config: &Config) -> [NamedFile<'_>; 4] {
    let tokenizer = &config.tokenizer;
    [
        ("tokenizer.weights", tokenizer.weights.as_deref()),
        ("tokenizer.text.model", tokenizer.text.model.as_deref()),
        ("tokenizer.loss.perceptual.convolutions", tokenizer.loss.perceptual.convolutions.as_deref()),
        ("tokenizer.loss.perceptual.heads", tokenizer.loss.perceptual.heads.as_deref()),
    ]
}

fn laq_files(config: &Config) -> [NamedFile<'_>; 4] {
    let laq = &config.laq;
    [
        ("laq.spatial_encoder_weights", laq.spatial_encoder_weights.as_deref()),
        ("laq.loss.flow.weights", laq.loss.flow.weights.as_deref()),
        ("laq.loss.perceptual.convolutions", laq.loss.perceptual.convolutions.as_deref()),
        ("laq.loss.perceptual.heads", laq.loss.perceptual.heads.as_deref()),
    ]
}

fn missing_files(files: &[NamedFile<'_>]) -> Vec<Fault> {
    let missing = files.iter().filter_map(|(key, file)| Some((key, file.filter(|file| !file.is_file())?)));
    missing
        .map(|(key, file)| Fault { key: (*key).to_owned(), reason: format!("there is no file {}", file.display()) })
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
