//! Ids, kinds and loss masks of whole samples, with the release's ids and with small ones.

use vipra_policy::layout::{Batch, Content, Markers, Sample, SampleLayout, SpecialIds, TokenKind};

use crate::golden::Golden;

fn ids<T: TryFrom<i64>>(golden: &Golden, name: &str) -> Vec<T>
where
    T::Error: std::fmt::Debug,
{
    golden.integers(name).into_iter().map(|id| T::try_from(id).unwrap()).collect()
}

fn layout(golden: &Golden, fields: &str) -> SampleLayout {
    let pair = |name: &str| ["start", "end"].map(|end| ids(golden, &format!("markers.{name}_{end}")));
    SampleLayout {
        fields: fields.parse().unwrap(),
        markers: Markers {
            vision: pair("vision"),
            dynamics: pair("dynamics"),
            action: pair("action"),
            proprio: pair("proprio"),
        },
        ids: SpecialIds {
            begin: golden.number("bos") as u32,
            end: golden.number("eos") as u32,
            end_of_frame: golden.number("eof_token") as u32,
            end_of_vision: golden.number("eov_token") as u32,
            end_of_latent_action: golden.number("eola_token") as u32,
        },
        tokens_per_patch: 1,
    }
}

fn check(golden: &Golden, case: &str, sample: &Sample) {
    let found: Vec<i64> = sample.ids.iter().map(|id| i64::from(*id)).collect();
    assert_eq!(found, golden.integers(&format!("{case}.tokens")), "{case}: tokens");
    let loss: Vec<f32> = sample.is_predicted.iter().map(|is| f32::from(u8::from(*is))).collect();
    assert_eq!(loss, golden.floats(&format!("{case}.loss_mask")), "{case}: loss mask");
    for kind in
        [TokenKind::Vision, TokenKind::LatentState, TokenKind::LatentAction, TokenKind::Action, TokenKind::Proprio]
    {
        let name = format!("{case}.{}_mask", kind.name());
        if golden.has(&name) {
            let mask: Vec<i64> = sample.kinds.iter().map(|of| i64::from(*of == kind)).collect();
            assert_eq!(mask, golden.integers(&name), "{name}");
        }
    }
}

#[test]
fn parity_of_samples_with_the_released_ids() {
    let Some(golden) = Golden::open("policy_layout") else { return };
    let text: Vec<u32> = ids(&golden, "pretrain.in.instruction_ids");
    let per_frame = golden.number("n_tokens_per_frame");
    let frames: Vec<u16> = ids(&golden, "pretrain.in.image_ids");
    let frames: Vec<&[u16]> = frames.chunks(per_frame).collect();
    let latent_state: Vec<u16> = ids(&golden, "pretrain.in.latent_state_ids");
    let latent_actions: Vec<u8> = ids(&golden, "pretrain.in.latent_action_idxs");
    let pretrain = Content {
        text: &text,
        frames: &frames,
        latent_state: &latent_state,
        latent_actions: &latent_actions,
        code_length: golden.number("n_tokens_per_latent_action"),
        ..Content::default()
    };
    let fields = "[instruction],[vision],latent_state,latent_action";
    let sample = layout(&golden, fields).sample(&pretrain);
    check(&golden, "pretrain.sample", &sample);
    check_batch(&golden, "pretrain.batch", &Batch::new(&[vec![sample]], 1));

    let frames: Vec<u16> = ids(&golden, "finetune.in.image_ids");
    let frames: Vec<&[u16]> = frames.chunks(per_frame).collect();
    let steps: Vec<u32> = (0..golden.number("action_chunk") as u32).collect();
    let states = golden.number("proprio_history");
    let finetune = Content { text: &text, frames: &frames, actions: &steps, states, ..Content::default() };
    for (case, fields) in [
        ("finetune.sample", "[instruction],[vision],action_cont"),
        ("finetune_proprio.sample", "[instruction],[vision],[proprio],action_cont"),
    ] {
        check(&golden, case, &layout(&golden, fields).sample(&finetune));
    }
}

/// What a batch reads and predicts, against the golden's rows, which are longer and filled up.
fn check_batch(golden: &Golden, case: &str, batch: &Batch) {
    let width = golden.shape(&format!("{case}.input_tokens"))[1];
    let of = |name: &str| golden.integers(&format!("{case}.{name}"));
    let (inputs, targets) = (of("input_tokens"), of("target_tokens"));
    let masks: Vec<f32> = golden.floats(&format!("{case}.loss_masks"));
    let latent_states = of("target_latent_state_masks");
    let latent_actions = of("target_latent_action_masks");
    let vision = of("target_vision_masks");
    for row in 0..batch.rows {
        for at in 0..width {
            let id = if at < batch.length { i64::from(batch.ids[row * batch.length + at]) } else { 1 };
            assert_eq!(id, inputs[row * width + at], "{case}: input {at} of row {row}");
        }
    }
    let mut predicted = vec![0.0; batch.rows * width];
    for (kind, of_kind) in &batch.targets {
        for (position, id) in of_kind.positions.iter().zip(&of_kind.ids) {
            let at = *position as usize / batch.length * width + *position as usize % batch.length;
            assert_eq!(i64::from(*id), targets[at], "{case}: target {at}");
            let expected = match (latent_states[at], latent_actions[at], vision[at]) {
                (1, ..) => TokenKind::LatentState,
                (_, 1, _) => TokenKind::LatentAction,
                (.., 1) => TokenKind::Vision,
                _ => TokenKind::Text,
            };
            assert_eq!(*kind, expected, "{case}: kind of target {at}");
            predicted[at] = 1.0;
        }
    }
    assert_eq!(predicted, masks, "{case}: loss mask");
}

/// The four samples of the pretraining golden: their fields, taken apart from the golden's tokens, make the same tokens.
pub(crate) fn pretraining_samples(golden: &Golden) -> Vec<Sample> {
    let cases = [
        "[instruction],[vision],latent_state,latent_action",
        "[instruction],[vision],latent_state,latent_action",
        "[instruction],[vision],latent_action",
        "instruction,vision",
    ];
    let per_frame = golden.number("n_tokens_per_frame");
    let code_length = golden.number("n_tokens_per_latent_action");
    let samples = cases.iter().enumerate().map(|(index, fields)| {
        let tokens: Vec<u32> = ids(golden, &format!("sample{index}.tokens"));
        let of = |kind: &str, end: &[usize]| -> Vec<u32> {
            let mask = golden.integers(&format!("sample{index}.{kind}_mask"));
            let chosen = tokens.iter().zip(mask).filter(|(id, mask)| *mask == 1 && !end.contains(&(**id as usize)));
            chosen.map(|(id, _)| *id).collect()
        };
        let narrow = |ids: Vec<u32>| ids.into_iter().map(|id| id as u16).collect::<Vec<u16>>();
        let ends = [golden.number("eof_token"), golden.number("eov_token")];
        let frames = narrow(of("vision", &ends));
        let frames: Vec<&[u16]> = frames.chunks(per_frame).collect();
        let latent_state = narrow(of("latent_state", &ends));
        let actions: Vec<u8> =
            of("latent_action", &[golden.number("eola_token")]).into_iter().map(|id| id as u8).collect();
        let vision = golden.integers(&format!("sample{index}.vision_mask"));
        // Behind the first token and before the marker of the first frame, three tokens long.
        let begin = vision.iter().position(|mask| *mask == 1).unwrap() - 3;
        let layout = SampleLayout {
            fields: fields.parse().unwrap(),
            markers: Markers {
                vision: [vec![30, 31, 32], vec![33, 31, 32]],
                dynamics: [vec![30, 34, 35, 32], vec![33, 34, 35, 32]],
                action: Default::default(),
                proprio: Default::default(),
            },
            ids: SpecialIds {
                begin: golden.number("bos_token_id") as u32,
                end: golden.number("eos_token_id") as u32,
                end_of_frame: ends[0] as u32,
                end_of_vision: ends[1] as u32,
                end_of_latent_action: golden.number("eola_token") as u32,
            },
            tokens_per_patch: 1,
        };
        layout.sample(&Content {
            text: &tokens[1..begin],
            frames: &frames,
            latent_state: &latent_state,
            latent_actions: &actions,
            code_length,
            ..Content::default()
        })
    });
    samples.collect()
}

#[test]
fn parity_of_small_samples_and_their_batch() {
    let Some(golden) = Golden::open("policy_pretrain") else { return };
    let samples = pretraining_samples(&golden);
    for (index, sample) in samples.iter().enumerate() {
        check(&golden, &format!("sample{index}"), sample);
    }
    let rows: Vec<Vec<Sample>> = samples.into_iter().map(|sample| vec![sample]).collect();
    check_batch(&golden, "batch", &Batch::new(&rows, 1));
}
