use super::*;

fn layout(fields: &str) -> SampleLayout {
    let pair = |first: u32| [vec![first], vec![first + 1]];
    SampleLayout {
        fields: fields.parse().unwrap(),
        markers: Markers { vision: pair(10), dynamics: pair(20), action: pair(30), proprio: pair(40) },
        ids: SpecialIds { begin: 1, end: 2, end_of_frame: 64, end_of_vision: 65, end_of_latent_action: 8 },
        tokens_per_patch: 1,
    }
}

fn content<'a>() -> Content<'a> {
    Content {
        text: &[1, 50, 51],
        frames: &[&[3, 4], &[5, 6]],
        latent_state: &[7, 9],
        latent_actions: &[0, 1, 2, 3],
        code_length: 2,
        ..Content::default()
    }
}

/// A sample as text: for each token the letter of its kind and its id, behind `·` where it is not learned.
fn words(sample: &Sample) -> String {
    let word = |index: usize| {
        let id = sample.ids[index];
        let letter = match sample.kinds[index] {
            TokenKind::Text => "t",
            TokenKind::Vision => "v",
            TokenKind::LatentState => "s",
            TokenKind::LatentAction => "z",
            TokenKind::Proprio => "p",
            TokenKind::Action => "a",
        };
        format!("{}{letter}{id}", if sample.is_predicted[index] { "" } else { "·" })
    };
    (0..sample.len()).map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_pretraining_sample_has_its_tokens_in_order() {
    let sample = layout("[instruction],[vision],latent_state,latent_action").sample(&content());
    assert_eq!(
        words(&sample),
        "·t1 ·t1 ·t50 ·t51 ·t10 ·v3 ·v4 ·v64 ·v5 ·v6 ·v64 s7 s9 s65 t11 t20 z0 z1 z8 z2 z3 z8 t21 t2"
    );
}

#[test]
fn without_a_latent_state_the_last_frame_ends_the_vision() {
    let sample = layout("[instruction],[vision],latent_action").sample(&content());
    assert_eq!(words(&sample), "·t1 ·t1 ·t50 ·t51 ·t10 ·v3 ·v4 ·v64 ·v5 ·v6 ·v65 ·t11 t20 z0 z1 z8 z2 z3 z8 t21 t2");
}

#[test]
fn an_id_outside_its_vocabulary_is_refused_by_position() {
    let sample = layout("[instruction],[vision],latent_state,latent_action").sample(&content());
    let vocabularies = Vocabularies { text: 60, vision: 66, latent_action: 9, frame_positions: 0, frame_grid: None };
    sample.check(&vocabularies, || unreachable!("all is well")).unwrap();
    let fewer = Vocabularies { latent_action: 8, ..vocabularies };
    let message = sample.check(&fewer, || "episode 3, frame 7".to_owned()).unwrap_err().to_string();
    assert_eq!(message, "episode 3, frame 7: token 18 is 8, but there are 8 ids of kind latent_action");
}

#[test]
fn a_prompt_ends_where_the_prediction_begins() {
    let both = layout("[instruction],[vision],latent_state,latent_action");
    let whole = both.sample(&content());
    for (kind, length) in [(TokenKind::LatentState, 11), (TokenKind::LatentAction, 16)] {
        let prompt = both.prompt(&content(), kind);
        assert_eq!(prompt.len(), length);
        assert_eq!(prompt.ids, whole.ids[..length]);
        assert_eq!(prompt.kinds, whole.kinds[..length]);
    }
}

#[test]
fn every_sample_of_an_instruction_begins_with_its_prefix() {
    let orders = [
        ("[instruction],[vision],[proprio],action", 5),
        ("[instruction],[proprio],[vision],action", 4),
        ("[vision],[instruction],[proprio],action", 2),
        ("[proprio],[vision],[instruction],action", 1),
    ];
    for (fields, length) in orders {
        let layout = layout(fields);
        let prefix = layout.prefix(&[1, 50, 51]).ids;
        for states in [0, 1, 3] {
            let whole = layout.sample(&Content { states, ..content() });
            assert!(whole.ids.starts_with(&prefix), "{fields}: {} and {prefix:?}", words(&whole));
        }
        assert_eq!(prefix.len(), length, "{fields}: {prefix:?}");
    }
}

#[test]
fn merging_shortens_observed_frames_and_keeps_what_is_predicted() {
    let merging = SampleLayout { tokens_per_patch: 2, ..layout("[instruction],[vision],latent_state,latent_action") };
    let single = layout("[instruction],[vision],latent_state,latent_action");
    let (merged, single) = (merging.sample(&content()), single.sample(&content()));
    assert_eq!(merged.unmerged_frame_tokens, [3, 4, 5, 6]);
    assert!(single.unmerged_frame_tokens.is_empty());
    let count = |sample: &Sample, kind: TokenKind| sample.kinds.iter().filter(|other| **other == kind).count();
    assert_eq!([count(&single, TokenKind::Vision), count(&merged, TokenKind::Vision)], [6, 4]);
    assert_eq!(merged.len(), single.len() - 2);
    let predicted = |sample: &Sample| -> Vec<u32> {
        sample.ids.iter().zip(&sample.is_predicted).filter(|(_, is)| **is).map(|(id, _)| *id).collect()
    };
    assert_eq!(predicted(&merged), predicted(&single), "what is predicted stays the same");
}
