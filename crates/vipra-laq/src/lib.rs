//! The latent action model.
