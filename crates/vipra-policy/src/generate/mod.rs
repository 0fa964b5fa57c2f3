//! Generation token by token: the frame ahead, and the latent actions that lead there.

mod autoregressive_model;
mod sampling;
mod token_generator;

use std::collections::BTreeMap;

use rand::Rng;

pub use sampling::Sampling;
pub(crate) use token_generator::TokenGenerator;

use crate::layout::{Sample, SampleLayout, Template, TokenKind};
use crate::model::Transformer;
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

/// Imagines everything that the model's fields predict, for each of some [templates](TrainedTransformer::template), in the order in
/// which it was learned. Tokens that can only be one, such as markers, ends of frames and text behind a prediction, are known and
/// not sampled.
///
/// # Errors
/// [`Error::Invalid`] without templates, or if the model's fields predict nothing or what is not imagined; [`Error::Vocabulary`].
pub fn imagine(
    trained: &TrainedTransformer,
    templates: &[Template],
    sampling: Sampling,
    random: &mut impl Rng,
) -> Result<Vec<Imagined>> {
    let layout = trained.layout()?;
    let mut others =
        layout.fields.predicted().filter(|kind| !matches!(kind, TokenKind::LatentState | TokenKind::LatentAction));
    if let Some(kind) = others.next() {
        return Err(Error::Invalid(format!("tokens of kind {kind} are not imagined")));
    }
    if templates.is_empty() {
        return Err(Error::Invalid("there is no prompt to go on from".to_owned()));
    }
    // Those that continue alike are imagined together: texts behind a prediction may be of different lengths.
    let mut groups: BTreeMap<&[TokenKind], Vec<usize>> = BTreeMap::new();
    for (index, template) in templates.iter().enumerate() {
        let span = template.predicted_span();
        let span = span.ok_or_else(|| Error::Invalid("this model predicts nothing".to_owned()))?;
        groups.entry(&template.sample.kinds[span.start..]).or_default().push(index);
    }
    let mut imagined = vec![Imagined::default(); templates.len()];
    for members in groups.into_values() {
        let group: Vec<&Template> = members.iter().map(|index| &templates[*index]).collect();
        let together = imagine_together(&trained.model, &layout, &group, sampling, random)?;
        members.into_iter().zip(together).for_each(|(index, one)| imagined[index] = one);
    }
    Ok(imagined)
}

/// Imagines from templates that are of the same kinds from their first predicted token on.
fn imagine_together(
    model: &Transformer,
    layout: &SampleLayout,
    group: &[&Template],
    sampling: Sampling,
    random: &mut impl Rng,
) -> Result<Vec<Imagined>> {
    let spans = || group.iter().filter_map(|template| Some((&template.sample, template.predicted_span()?)));
    let prompts: Vec<Sample> = spans().map(|(sample, span)| sample.part(0..span.start)).collect();
    let rests: Vec<Template> = spans().map(|(sample, span)| layout.template(sample.part(span))).collect();
    let mut generator = TokenGenerator::from_prompts(model, &prompts, layout.ids.begin)?;
    let filled = generator.fill(&rests, None, sampling, random)?;
    Ok(filled.iter().zip(&rests).map(|(sample, template)| Imagined::of(sample, template)).collect())
}

impl Imagined {
    /// What was predicted of a template, which `filled` completes.
    fn of(filled: &Sample, template: &Template) -> Self {
        let mut imagined = Self::default();
        for run in &template.predicted {
            let ids = filled.ids[run.positions.clone()].iter();
            match run.kind {
                TokenKind::LatentState => imagined.latent_state.extend(ids.map(|id| *id as u16)),
                TokenKind::LatentAction => imagined.latent_actions.extend(ids.map(|id| *id as u8)),
                TokenKind::Text | TokenKind::Vision | TokenKind::Proprio | TokenKind::Action => {}
            }
        }
        imagined
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{ACTION_CODES, INSTRUCTIONS, pretrained, transformer_config, values};
    use crate::layout::Content;
    use crate::model::Tokens;
    use crate::prompt::prompt;

    const PAST: [u16; 4] = [0, 1, 2, 3];
    const CURRENT: [u16; 4] = [3, 3, 5, 4];

    fn trained(fields: &str) -> TrainedTransformer {
        pretrained(fields, transformer_config())
    }

    /// How much likelier than the imagined token another one is, at most, in a pass over the whole sample.
    fn most_missed(trained: &TrainedTransformer, sample: Sample) -> f32 {
        let Template { sample, predicted } = trained.layout().unwrap().template(sample);
        let hidden = trained.model.forward(Tokens::new(1, &sample.ids, &sample.kinds), None).unwrap();
        let positions = predicted.iter().flat_map(|run| run.positions.clone());
        let missed = positions.map(|at| {
            let kind = sample.kinds[at];
            let codes = if kind == TokenKind::LatentState { 6 } else { ACTION_CODES };
            let logits = trained.model.logits(kind, hidden.clone().narrow(1, at - 1, 1)).unwrap();
            let scores = values(logits.narrow(2, 0, codes));
            scores.iter().copied().fold(f32::MIN, f32::max) - scores[sample.ids[at] as usize]
        });
        missed.fold(0.0, f32::max)
    }

    #[test]
    fn greedy_imagination_takes_the_likeliest_tokens_in_the_order_of_the_fields() {
        let orders = [
            "[instruction],[vision],latent_state,latent_action",
            "[vision],latent_state,[instruction],latent_action",
            "[vision],latent_state,instruction,latent_action",
            "latent_action,[instruction],[vision],latent_state",
        ];
        for fields in orders {
            let trained = trained(fields);
            let templates = INSTRUCTIONS.map(|text| trained.template(text, &PAST, &CURRENT).unwrap());
            let mut random = ChaCha8Rng::seed_from_u64(0);
            let imagined = imagine(&trained, &templates, Sampling::default(), &mut random).unwrap();
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
                let missed = most_missed(&trained, sample);
                assert!(missed < 1e-3, "{fields}: another token is likelier by {missed}");
            }
        }
    }

    #[test]
    fn a_model_that_predicts_nothing_to_imagine_is_refused() {
        let fault = |fields: &str| {
            let trained = trained(fields);
            let template = trained.template("put it down", &PAST, &CURRENT)?;
            imagine(&trained, &[template], Sampling::default(), &mut ChaCha8Rng::seed_from_u64(0))
        };
        assert!(fault("[instruction],[vision]").unwrap_err().to_string().contains("predicts nothing"));
        assert!(fault("[instruction],vision").unwrap_err().to_string().contains("tokens of kind vision"));
        let trained = trained("[instruction],[vision],latent_action");
        let none = imagine(&trained, &[], Sampling::default(), &mut ChaCha8Rng::seed_from_u64(0));
        assert!(none.unwrap_err().to_string().contains("no prompt"));
    }
}
