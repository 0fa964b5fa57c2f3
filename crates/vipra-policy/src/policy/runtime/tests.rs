use super::*;
use crate::fixtures::{INSTRUCTIONS, frame_tokenizer, picture, policy_model, specification, text_tokenizer};
use crate::model::ActionDecoder;

#[test]
fn a_chunk_with_nan_or_infinity_is_refused() {
    let chunk = |value| ActionChunk { actions: vec![vec![0.0, 1.0], vec![2.0, value]] };
    assert_eq!(finite(chunk(3.0)).unwrap(), chunk(3.0));
    for value in [f32::NAN, f32::INFINITY] {
        assert!(finite(chunk(value)).unwrap_err().to_string().contains("no numbers"));
    }
}

/// A policy that sees two states and always starts from the same noise.
fn policy(decoder: ActionDecoder) -> TrainedPolicy {
    let (tokenizer, text) = (frame_tokenizer(), text_tokenizer());
    let mut specification = specification(decoder, Some(2), &tokenizer, &text);
    specification.solver.noise_spread = 0.0;
    TrainedPolicy::new(policy_model(&specification), specification, text, tokenizer).unwrap()
}

fn seen(instruction: &str, number: usize) -> Observation {
    Observation {
        instruction: instruction.to_owned(),
        frames: [picture(number), picture(number + 1)],
        proprio: vec![vec![0.1 * number as f32], vec![0.2]],
    }
}

fn answers(policy: &mut TrainedPolicy, asked: &[Observation]) -> Vec<Vec<f32>> {
    policy.infer_batch(asked).into_iter().map(|answer| answer.unwrap().actions.concat()).collect()
}

fn most_apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn batched_inference_matches_single() {
    for decoder in [ActionDecoder::FlowMatching, ActionDecoder::Autoregressive] {
        let mut policy = policy(decoder);
        let asked = [seen(INSTRUCTIONS[0], 0), seen(INSTRUCTIONS[1], 0), seen(INSTRUCTIONS[0], 12)];
        let alone: Vec<Vec<f32>> = asked
            .iter()
            .flat_map(|one| {
                policy.instructions.clear();
                answers(&mut policy, std::slice::from_ref(one))
            })
            .collect();
        if decoder == ActionDecoder::FlowMatching {
            assert!(most_apart(&alone[0], &alone[1]) > 1e-3, "the instructions must make a difference");
            assert!(most_apart(&alone[0], &alone[2]) > 1e-3, "what is seen must make a difference");
        }
        policy.instructions.clear();
        // From the second time on, what was read of the instructions is known.
        for round in ["at first", "again", "after another instruction"] {
            if round == "after another instruction" {
                answers(&mut policy, &[seen("open the drawer", 3)]);
            }
            for (nth, (alone, together)) in alone.iter().zip(answers(&mut policy, &asked)).enumerate() {
                let apart = most_apart(alone, &together);
                assert!(apart < 1e-4, "{decoder:?}, observation {nth} {round}: {apart} from what it is alone");
            }
        }
    }
}
