use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vipra_data::picture::AugmentConfig;
use vipra_data::{DataConfig, SourceConfig};
use vipra_tokenizer::TextTokenizer;
use vipra_train::TrainConfig;

use super::super::data::SampleSettings;
use super::super::numbers::DemonstrationSource;
use super::*;
use crate::fixtures::{HORIZON, MadeSource, frame_tokenizer, policy_model, specification, text_tokenizer};

/// An episode of three actions, shorter than a chunk.
const ACTIONS: [f32; 6] = [-1.0, 0.0, -0.5, 1.0, 0.5, 0.0];

struct Made {
    tokenizer: Arc<TrainedTokenizer>,
    text: TextTokenizer,
    specification: Specification,
    model: PolicyModel,
}

impl Made {
    fn new(decoder: ActionDecoder) -> Self {
        let (tokenizer, text) = (frame_tokenizer(), text_tokenizer());
        let specification = specification(decoder, None, &tokenizer, &text);
        let model = policy_model(&specification);
        Self { tokenizer: Arc::new(tokenizer), text, specification, model }
    }

    fn stage(&self, learn_padding: bool) -> FinetuneStage {
        let config = FinetuneConfig {
            decoder: self.specification.sizes.decoder,
            horizon: HORIZON,
            learn_padding,
            augmentation: AugmentConfig::default(),
            train: TrainConfig { batch_size: 3, ..TrainConfig::default() },
            ..FinetuneConfig::default()
        };
        let data = DataConfig::default();
        let made = MadeSource::new(5.0, &["x", "gripper"], &[ACTIONS.to_vec()]);
        let read = DemonstrationSource::read(Box::new(made), &SourceConfig::new("made"), &data, &config, &|_, _| {});
        let layout = self.specification.layout(&self.text).unwrap();
        let settings = SampleSettings {
            data: &data,
            config: &config,
            cache: Path::new("unused"),
            specification: &self.specification,
            held: &[false, true],
            layout: &layout,
            text: &self.text,
        };
        let learned = Demonstrations::new(vec![read.unwrap()], settings).unwrap();
        FinetuneStage {
            config,
            specification: self.specification.clone(),
            layout,
            tokenizer: self.tokenizer.clone(),
            stream: SampleStream::at(Position::default(), learned.sampler()).unwrap(),
            learned,
            held_out: None,
            is_pretrained: false,
            device: Device::flex(),
        }
    }

    /// The loss of the first step.
    fn loss(&self, learn_padding: bool) -> f32 {
        let mut stage = self.stage(learn_padding);
        let batch = stage.next_batch().unwrap();
        let mut step = Step { number: 0, is_logged: false, random: ChaCha8Rng::seed_from_u64(5) };
        Device::flex().seed(9);
        stage.loss(&self.model, batch, &mut step).unwrap().total.into_scalar::<f32>()
    }
}

/// Actions of the three samples that the episode has: of their four, three, two and one.
#[test]
fn padding_counts_unless_it_is_not_learned() {
    let made = Made::new(ActionDecoder::FlowMatching);
    let counted = |learn_padding: bool| {
        let counts = made.stage(learn_padding).next_batch().unwrap().counts;
        let mut counted: Vec<f32> = counts.chunks(HORIZON).map(|sample| sample.iter().sum()).collect();
        counted.sort_by(f32::total_cmp);
        counted
    };
    assert_eq!(counted(true), [4.0; 3]);
    assert_eq!(counted(false), [1.0, 2.0, 3.0]);
    assert_ne!(made.loss(true), made.loss(false));
}

#[test]
fn bins_of_padding_are_targets_unless_they_are_not_learned() {
    let made = Made::new(ActionDecoder::Autoregressive);
    let targets = |learn_padding: bool| {
        let batch = made.stage(learn_padding).next_batch().unwrap();
        batch.tokens.targets[&TokenKind::Action].ids.len()
    };
    assert_eq!([targets(true), targets(false)], [3 * HORIZON * 2, (1 + 2 + 3) * 2]);
    assert_eq!(made.loss(true), made.loss(true), "the same batch has the same loss");
    assert_ne!(made.loss(true), made.loss(false));
}
