//! Frames and sentences as discrete tokens.
