//! Where the report looks for what, within the run folder. Every name is what a stage's own command writes:
//!
//! | in the run folder | is written by |
//! | --- | --- |
//! | `config.toml` | `vipra run`: the resolved configuration |
//! | `stages/NAME.json` | `vipra run`: a [`StageRecord`](crate::StageRecord) for each stage that began |
//! | `data/…/meta/info.json` | `vipra sim record RUN/data/…`, or a copy: LeRobot's facts of a dataset; any depth up to three folders |
//! | `data/NAME.png`, `data/NAME/contact-sheet.png` | `vipra data clips --contact-sheet` |
//! | `tokenizer/metrics.jsonl`, `summary.json` | `vipra tokenizer train --run RUN/tokenizer` |
//! | `tokenizer/pictures/*.png` | `vipra tokenizer reconstruct --model RUN/tokenizer --out RUN/tokenizer/pictures` |
//! | `laq/metrics.jsonl`, `summary.json` | `vipra laq train --run RUN/laq` |
//! | `laq/report/report.json`, `report-pictures/` | `vipra laq report --model RUN/laq --out RUN/laq/report/report.html` |
//! | `pretrain/metrics.jsonl`, `summary.json` | `vipra pretrain --run RUN/pretrain` |
//! | `pretrain/pictures/predictions.json`, `*.png`, `*.gif` | `vipra predict RUN/pretrain --out RUN/pretrain/pictures`; of another dataset in a folder within |
//! | `policy/metrics.jsonl`, `summary.json` | `vipra finetune --run RUN/policy` |
//! | `policy/package/policy.json` | `vipra finetune --run RUN/policy`: of which weights the policy is |
//! | `policy/open-loop/*.json` | `vipra policy open-loop RUN/policy --out RUN/policy/open-loop/EPISODE.png` |
//! | `evaluation/outcomes.jsonl`, `videos/` | `vipra eval RUN/policy --out RUN/evaluation` |
//!
//! Any of it may be absent.

/// The resolved configuration.
pub const CONFIG: &str = "config.toml";
/// A record for each stage that began.
pub const STAGES: &str = "stages";
/// Datasets, and contact sheets of them.
pub const DATA: &str = "data";
/// Facts of a LeRobot dataset, within it.
pub const DATASET_INFO: &str = "meta/info.json";
/// A picture of clips, in the folder of a dataset.
pub const CONTACT_SHEET: &str = "contact-sheet.png";
/// The frame tokenizer.
pub const TOKENIZER: &str = "tokenizer";
/// The latent action model.
pub const LAQ: &str = "laq";
/// The pretrained transformer.
pub const PRETRAIN: &str = "pretrain";
/// The policy.
pub const POLICY: &str = "policy";
/// What the policy package says of itself.
pub const PACKAGE: &str = "policy/package/policy.json";
/// What became of episodes.
pub const EVALUATION: &str = "evaluation";
/// Numbers that a training wrote down, in its folder.
pub const METRICS: &str = "metrics.jsonl";
/// What came of a training, in its folder.
pub const SUMMARY: &str = "summary.json";
/// Strips of rebuilt frames.
pub const TOKENIZER_PICTURES: &str = "tokenizer/pictures";
/// Numbers of the latent action model's quality report.
pub const LAQ_REPORT: &str = "laq/report/report.json";
/// Pictures of the latent action model's quality report.
pub const LAQ_PICTURES: &str = "laq/report/report-pictures";
/// Imagined futures, here and in folders within, one a dataset.
pub const PRETRAIN_PICTURES: &str = "pretrain/pictures";
/// Imagined moments with the names of their pictures, in a folder of imagined futures.
pub const PREDICTIONS: &str = "predictions.json";
/// True and predicted actions, a file an episode.
pub const OPEN_LOOP: &str = "policy/open-loop";
/// The report.
pub const REPORT: &str = "report.html";

/// The stage whose actions are not read.
pub const VIDEOS: &str = "videos";
/// Stages whose data may have been given to the run, and then lie elsewhere.
pub const DATA_STAGES: [&str; 2] = [VIDEOS, "demonstrations"];
/// Stages in the order they run in; others come after, by name.
pub const STAGE_ORDER: [&str; 8] =
    [VIDEOS, "demonstrations", "tokenizer", "laq", "cache", "pretrain", "finetune", "evaluate"];
