//! Fixed ids and texts of a layout, and the contents of a sample.

use vipra_tokenizer::TextTokenizer;
use vipra_tokenizer::text::{BOS, EOS};

use super::TokenKind;
use crate::Result;

/// Sizes of the codebooks of which tokens are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodebookSizes {
    /// Codes of the frame tokenizer.
    pub frames: usize,
    /// Codes of the latent action model.
    pub latent_actions: usize,
}

/// Ids with a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialIds {
    /// Begins a sample, and pads rows.
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
    /// Those that follow the codes in each vocabulary (8192, 8193 and 8 in the release).
    pub fn behind(codebooks: CodebookSizes) -> Self {
        let frame_codes = codebooks.frames as u32;
        Self {
            begin: BOS,
            end: EOS,
            end_of_frame: frame_codes,
            end_of_vision: frame_codes + 1,
            end_of_latent_action: codebooks.latent_actions as u32,
        }
    }

    /// Codes of the frame tokenizer: the ids of a frame's tokens are below.
    pub(crate) fn frame_codes(&self) -> usize {
        self.end_of_frame as usize
    }

    /// Codes of the latent action model.
    pub(crate) fn latent_action_codes(&self) -> usize {
        self.end_of_latent_action as usize
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
    /// All markers, a pair for each kind of field.
    pub const TEXTS: [[&'static str; 2]; 4] = [
        ["<vision>", "</vision>"],
        ["<dynamics>", "</dynamics>"],
        ["<action>", "</action>"],
        ["<proprio>", "</proprio>"],
    ];

    /// The markers as a text tokenizer reads them.
    ///
    /// # Errors
    /// Tokenizer failure; unreachable for valid tokenizers.
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

    /// The markers before and behind the contents of a field.
    pub(super) fn around(&self, kind: TokenKind) -> [&[u32]; 2] {
        let [before, behind] = match kind {
            TokenKind::Text => return [&[], &[]],
            TokenKind::Vision | TokenKind::LatentState => &self.vision,
            TokenKind::LatentAction => &self.dynamics,
            TokenKind::Action => &self.action,
            TokenKind::Proprio => &self.proprio,
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
    /// Number of states of the robot.
    pub states: usize,
}
