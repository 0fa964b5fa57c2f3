//! Tokens one after the other: the frame ahead, and the latent actions that lead there.

mod sampling;
mod token_generator;

use std::collections::BTreeMap;

use rand::Rng;

pub use sampling::Sampling;
pub(crate) use token_generator::TokenGenerator;

use crate::layout::{Kind, Sample, SpecialIds};
use crate::trained::TrainedTransformer;
use crate::{Error, Result};

/// What the model imagines from one observation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imagined {
    /// Tokens of the frame ahead; empty if the model does not predict it.
    pub latent_state: Vec<u16>,
    /// Codes of the transitions, transition by transition; empty if the model does not predict them.
    pub latent_actions: Vec<u8>,
}

/// Imagines everything that the model's fields predict, for each of some [prompts](TrainedTransformer::prompt), in the order in
/// which it was learned. Tokens that can only be one, such as markers, ends of frames and text behind a prediction, are given
/// and not sampled.
///
/// # Errors
/// [`Error::Invalid`] without prompts or with fields that predict nothing, or something else; [`Error::Vocabulary`].
pub fn imagine(
    trained: &TrainedTransformer,
    prompts: &[Sample],
    sampling: Sampling,
    random: &mut impl Rng,
) -> Result<Vec<Imagined>> {
    let layout = trained.layout()?;
    let mut others = layout.fields.predicted().filter(|kind| !matches!(kind, Kind::LatentState | Kind::LatentAction));
    if let Some(kind) = others.next() {
        return Err(Error::Invalid(format!("tokens of kind {kind} are not imagined")));
    }
    if prompts.is_empty() {
        return Err(Error::Invalid("there is no prompt to go on from".to_owned()));
    }
    // Those that go on alike are imagined together: texts behind a prediction may be of different lengths.
    let mut groups: BTreeMap<&[Kind], Vec<Begun<'_>>> = BTreeMap::new();
    for (index, prompt) in prompts.iter().enumerate() {
        let begun = Begun::new(index, prompt, layout.ids)?;
        groups.entry(&prompt.kinds[begun.first..]).or_default().push(begun);
    }
    let mut imagined = vec![Imagined::default(); prompts.len()];
    for group in groups.into_values() {
        let together = imagine_together(trained, &group, layout.ids, sampling, random)?;
        group.iter().zip(together).for_each(|(begun, one)| imagined[begun.index] = one);
    }
    Ok(imagined)
}

/// A prompt that is read up to its first imagined token.
struct Begun<'a> {
    index: usize,
    prompt: &'a Sample,
    first: usize,
}

impl<'a> Begun<'a> {
    fn new(index: usize, prompt: &'a Sample, ids: SpecialIds) -> Result<Self> {
        let first = (0..prompt.len()).find(|at| is_imagined(prompt, *at, ids));
        let first = first.ok_or_else(|| Error::Invalid("this model predicts nothing".to_owned()))?;
        Ok(Self { index, prompt, first })
    }
}

/// Whether a token is to be imagined: a predicted one of a latent state or a latent action, but for those that end them.
fn is_imagined(sample: &Sample, at: usize, ids: SpecialIds) -> bool {
    let end = match sample.kinds[at] {
        Kind::LatentState => ids.end_of_vision,
        Kind::LatentAction => ids.end_of_latent_action,
        Kind::Text | Kind::Vision | Kind::Proprio | Kind::Action => return false,
    };
    sample.is_predicted[at] && sample.ids[at] != end
}

/// Imagines from prompts that are of the same kinds from their first imagined token on.
fn imagine_together(
    trained: &TrainedTransformer,
    group: &[Begun<'_>],
    ids: SpecialIds,
    sampling: Sampling,
    random: &mut impl Rng,
) -> Result<Vec<Imagined>> {
    let beginnings: Vec<Sample> = group.iter().map(|begun| begun.prompt.up_to(begun.first)).collect();
    let mut generator = TokenGenerator::from_prompts(&trained.model, &beginnings, ids.begin)?;
    let mut imagined = vec![Imagined::default(); group.len()];
    // The first row stands for all of them.
    let Some(Begun { prompt, first, .. }) = group.first() else { return Ok(imagined) };
    let end = (0..prompt.len()).rfind(|at| is_imagined(prompt, *at, ids)).map_or(0, |last| last + 1);
    let mut at = *first;
    while at < end {
        let kind = prompt.kinds[at];
        if !is_imagined(prompt, at, ids) {
            let is_given = |at: &usize| prompt.kinds[*at] == kind && !is_imagined(prompt, *at, ids);
            let count = (at..end).take_while(is_given).count();
            let given = group.iter().flat_map(|row| &row.prompt.ids[row.first + at - first..][..count]);
            let seen = group.iter().filter(|_| kind == Kind::Vision).flat_map(|row| &row.prompt.observed);
            let (given, seen): (Vec<u32>, Vec<u16>) = (given.copied().collect(), seen.copied().collect());
            generator.append(&given, kind, &seen)?;
            at += count;
            continue;
        }
        let is_state = kind == Kind::LatentState;
        let description = &trained.description;
        let codes = if is_state { description.frames.codes } else { description.latent_actions.codes };
        for (one, token) in imagined.iter_mut().zip(generator.sample(kind, codes, sampling, random)?) {
            match is_state {
                true => one.latent_state.push(token as u16),
                false => one.latent_actions.push(token as u8),
            }
        }
        at += 1;
    }
    Ok(imagined)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{ACTION_CODES, INSTRUCTIONS, pretrained, transformer_config};
    use crate::layout::Content;
    use crate::model::Tokens;
    use crate::prompt::prompt;

    const PAST: [u16; 4] = [0, 1, 2, 3];
    const CURRENT: [u16; 4] = [3, 3, 5, 4];

    fn trained(fields: &str) -> TrainedTransformer {
        pretrained(fields, transformer_config())
    }

    /// How much likelier than the imagined token another one is, at most, where a whole sample is read at once.
    fn most_missed(trained: &TrainedTransformer, sample: &Sample) -> f32 {
        let hidden = trained.model.forward(Tokens::new(1, &sample.ids, &sample.kinds), None).unwrap();
        let ids = trained.layout().unwrap().ids;
        let missed = (1..sample.len()).filter(|at| is_imagined(sample, *at, ids)).map(|at| {
            let kind = sample.kinds[at];
            let codes = if kind == Kind::LatentState { 6 } else { ACTION_CODES };
            let logits = trained.model.logits(kind, hidden.clone().narrow(1, at - 1, 1)).unwrap();
            let scores: Vec<f32> = logits.narrow(2, 0, codes).into_data().iter::<f32>().collect();
            scores.iter().copied().fold(f32::MIN, f32::max) - scores[sample.ids[at] as usize]
        });
        missed.fold(0.0, f32::max)
    }

    #[test]
    fn what_is_imagined_is_the_likeliest_in_the_order_that_was_learned() {
        let orders = [
            "[instruction],[vision],latent_state,latent_action",
            "[vision],latent_state,[instruction],latent_action",
            "[vision],latent_state,instruction,latent_action",
            "latent_action,[instruction],[vision],latent_state",
        ];
        for fields in orders {
            let trained = trained(fields);
            let prompts = INSTRUCTIONS.map(|text| trained.prompt(text, &PAST, &CURRENT).unwrap());
            let mut random = ChaCha8Rng::seed_from_u64(0);
            let imagined = imagine(&trained, &prompts, Sampling::default(), &mut random).unwrap();
            for (instruction, imagined) in INSTRUCTIONS.iter().zip(imagined) {
                assert_eq!((imagined.latent_state.len(), imagined.latent_actions.len()), (4, 6), "{fields}");
                let sample = trained.layout().unwrap().sample(&Content {
                    text: &trained.text.encode(&prompt(instruction)).unwrap(),
                    frames: &[&PAST, &CURRENT],
                    latent_state: &imagined.latent_state,
                    latent_actions: &imagined.latent_actions,
                    code_length: 2,
                    ..Content::default()
                });
                let missed = most_missed(&trained, &sample);
                assert!(missed < 1e-3, "{fields}: another token is likelier by {missed}");
            }
        }
    }

    #[test]
    fn a_model_that_predicts_nothing_that_can_be_imagined_is_refused() {
        let fault = |fields: &str| {
            let trained = trained(fields);
            let prompt = trained.prompt("put it down", &PAST, &CURRENT)?;
            imagine(&trained, &[prompt], Sampling::default(), &mut ChaCha8Rng::seed_from_u64(0))
        };
        assert!(fault("[instruction],[vision]").unwrap_err().to_string().contains("predicts nothing"));
        assert!(fault("[instruction],vision").unwrap_err().to_string().contains("tokens of kind vision"));
        let trained = trained("[instruction],[vision],latent_action");
        let none = imagine(&trained, &[], Sampling::default(), &mut ChaCha8Rng::seed_from_u64(0));
        assert!(none.unwrap_err().to_string().contains("no prompt"));
    }
}
