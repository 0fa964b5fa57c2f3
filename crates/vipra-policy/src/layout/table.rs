//! The table that the layout is made from.

use vipra_tokenizer::TextTokenizer;
use vipra_tokenizer::text::{BOS, EOS};

use super::Kind;
use crate::Result;

/// Ids with a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    /// Begins a sample, and fills rows up.
    pub begin: u32,
    /// Ends a sample.
    pub end: u32,
    /// Ends a frame that another frame follows.
    pub end_of_frame: u32,
    /// Ends the last frame.
    pub end_of_vision: u32,
    /// Ends the codes of a transition.
    pub end_of_latent_action: u32,
}

impl SpecialIds {
    /// Behind the last token of a frame and the last code of the codebook (8192, 8193 and 8 in the release).
    pub fn behind(frame_codes: usize, action_codes: usize) -> Self {
        let frame_codes = frame_codes as u32;
        Self {
            begin: BOS,
            end: EOS,
            end_of_frame: frame_codes,
            end_of_vision: frame_codes + 1,
            end_of_latent_action: action_codes as u32,
        }
    }
}

/// The texts around a field, as the text tokenizer reads them: several tokens each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markers {
    /// `<vision>` and `</vision>`, around observed frames and latent state together.
    pub vision: [Vec<u32>; 2],
    /// `<dynamics>` and `</dynamics>`, around latent actions.
    pub dynamics: [Vec<u32>; 2],
    /// `<action>` and `</action>`.
    pub action: [Vec<u32>; 2],
    /// `<proprio>` and `</proprio>`.
    pub proprio: [Vec<u32>; 2],
}

impl Markers {
    /// What stands around fields, by kind.
    pub const TEXTS: [[&'static str; 2]; 4] = [
        ["<vision>", "</vision>"],
        ["<dynamics>", "</dynamics>"],
        ["<action>", "</action>"],
        ["<proprio>", "</proprio>"],
    ];

    /// By a text tokenizer.
    ///
    /// # Errors
    /// What the tokenizer says, which it never should.
    pub fn new(text: &TextTokenizer) -> Result<Self> {
        let [vision, dynamics, action, proprio] = Self::TEXTS;
        let encode = |[before, behind]: [&str; 2]| Ok::<_, crate::Error>([text.encode(before)?, text.encode(behind)?]);
        Ok(Self {
            vision: encode(vision)?,
            dynamics: encode(dynamics)?,
            action: encode(action)?,
            proprio: encode(proprio)?,
        })
    }

    /// What stands before and behind the contents of a field.
    pub(super) fn around(&self, kind: Kind) -> [&[u32]; 2] {
        let [before, behind] = match kind {
            Kind::Text => return [&[], &[]],
            Kind::Vision | Kind::LatentState => &self.vision,
            Kind::LatentAction => &self.dynamics,
            Kind::Action => &self.action,
            Kind::Proprio => &self.proprio,
        };
        [before, behind]
    }
}

/// Contents of a sample's fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct Content<'a> {
    /// Tokens of the text.
    pub text: &'a [u32],
    /// Tokens of each observed frame, the oldest first.
    pub frames: &'a [&'a [u16]],
    /// Tokens of the frame ahead.
    pub latent_state: &'a [u16],
    /// Codes of the transitions, transition by transition.
    pub latent_actions: &'a [u8],
    /// Codes of a transition.
    pub code_length: usize,
    /// Bins of an action chunk, or `0..` for one that is embedded from its numbers.
    pub actions: &'a [u32],
    /// States of the robot.
    pub states: usize,
}
