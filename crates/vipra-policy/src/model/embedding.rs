//! From tokens to embeddings.

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::kv_cache::KvCache;
use super::tokens::Tokens;
use super::transformer::{Transformer, no_vocabulary};
use crate::layout::TokenKind;
use crate::{Error, Result};

impl Transformer {
    /// Looks up each token in its kind's table and restores token order. A table is looked up for tokens of its kind alone (the
    /// release looks every id up in each). Tokens of kinds without a table are `given` as embeddings, by kind, in token order.
    ///
    /// # Shapes
    /// `given`: `[tokens of the kind, dim]` each → `[rows, length, dim]`
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for an id that its vocabulary does not have, [`Error::Invalid`] for tokens that are neither in
    /// a table nor given, and for observed frames that are merged but not complete.
    pub fn embed(&self, tokens: Tokens<'_>, given: &[(TokenKind, Tensor<2>)]) -> Result<Tensor<3>> {
        self.embed_behind(tokens, given, &KvCache::default())
    }

    /// As [`embed`](Self::embed) for tokens behind those of a cache: a frame that has begun there continues.
    pub(super) fn embed_behind(
        &self,
        tokens: Tokens<'_>,
        given: &[(TokenKind, Tensor<2>)],
        cache: &KvCache,
    ) -> Result<Tensor<3>> {
        let mut embedded = Embedded::new(tokens.ids.len());
        let tables =
            [(&self.text_embedding, TokenKind::Text), (&self.latent_action_embedding, TokenKind::LatentAction)];
        for (table, kind) in tables {
            let positions = tokens.positions(&[kind]);
            embedded.put(&positions, || look_up(table, tokens, &positions))?;
        }
        self.embed_frames(tokens, cache, &mut embedded)?;
        for (kind, rows) in given {
            let positions = tokens.positions(&[*kind]);
            let (found, wanted) = (rows.dims()[0], positions.len());
            if wanted != found {
                return Err(Error::Invalid(format!("{found} embeddings for {wanted} tokens of kind {kind}")));
            }
            embedded.put(&positions, || Ok(rows.clone()))?;
        }
        embedded.in_rows(tokens, &self.text_embedding.lazy_device())
    }

    /// Embeds the tokens of frames with their places, and patches of observed frames as one token where the model merges them.
    fn embed_frames(&self, tokens: Tokens<'_>, cache: &KvCache, embedded: &mut Embedded) -> Result<()> {
        let places = self.frame_position_embedding.as_ref().map(|table| table.lazy_shape()[0] - 1);
        let tokens_per_patch = self.frame_merger.as_ref().map_or(1, |merger| merger.tokens_per_patch());
        let tokens_per_frame = self.frame_merger.as_ref().map(|merger| merger.tokens_per_frame()).or(places);
        let Some(tokens_per_frame) = tokens_per_frame else {
            let positions = tokens.positions(&[TokenKind::Vision, TokenKind::LatentState]);
            return embedded.put(&positions, || look_up(&self.vision_embedding, tokens, &positions));
        };
        let found = tokens.locate_frames(tokens_per_frame, tokens_per_patch, &cache.last_runs)?;
        embedded.put(&found.single, || {
            let rows = look_up(&self.vision_embedding, tokens, &found.single)?;
            Ok(self.add_places(rows, &found.places))
        })?;
        let Some(merger) = &self.frame_merger else { return Ok(()) };
        embedded.put(&found.merged, || {
            let rows = self.look_up_unmerged(tokens)?;
            let places: Vec<u32> = (0..rows.dims()[0]).map(|at| (at % tokens_per_frame) as u32).collect();
            Ok(merger.forward(self.add_places(rows, &places)))
        })
    }

    /// Embeddings of the tokens that are to be merged.
    ///
    /// # Shapes
    /// → `[unmerged tokens, dim]`
    fn look_up_unmerged(&self, tokens: Tokens<'_>) -> Result<Tensor<2>> {
        let ids: Vec<u32> = tokens.unmerged_frame_tokens.iter().map(|id| u32::from(*id)).collect();
        let size = self.vision_embedding.lazy_shape()[0];
        if let Some(position) = ids.iter().position(|id| *id as usize >= size) {
            let sample = "observed frames".to_owned();
            return Err(Error::Vocabulary { sample, position, id: ids[position], kind: TokenKind::Vision, size });
        }
        Ok(self.vision_embedding.val().select(0, indices(&ids, &self.vision_embedding.lazy_device())))
    }

    /// Adds the embeddings of the tokens' places in their frames, if the model has such embeddings.
    ///
    /// # Shapes
    /// `rows`: `[tokens, dim]`; `places`: `[tokens]` → `[tokens, dim]`
    fn add_places(&self, rows: Tensor<2>, places: &[u32]) -> Tensor<2> {
        match &self.frame_position_embedding {
            Some(table) => rows + table.val().select(0, indices(places, &table.lazy_device())),
            None => rows,
        }
    }
}

/// Embeddings of the tokens at some positions.
///
/// # Shapes
/// `table`: `[vocabulary, dim]` → `[positions, dim]`
fn look_up(table: &Param<Tensor<2>>, tokens: Tokens<'_>, positions: &[usize]) -> Result<Tensor<2>> {
    let ids = tokens.ids_at(positions, table.lazy_shape()[0])?;
    Ok(table.val().select(0, indices(&ids, &table.lazy_device())))
}

/// Embeddings in parts, and where in the parts each token's is.
struct Embedded {
    parts: Vec<Tensor<2>>,
    placed: usize,
    /// Row of each token in the joined parts; `u32::MAX` while it has none.
    order: Vec<u32>,
}

impl Embedded {
    fn new(tokens: usize) -> Self {
        Self { parts: Vec::new(), placed: 0, order: vec![u32::MAX; tokens] }
    }

    /// Adds the embeddings of the tokens at some positions, `[positions, dim]`, which are made only if there are any.
    fn put(&mut self, positions: &[usize], rows: impl FnOnce() -> Result<Tensor<2>>) -> Result<()> {
        if positions.is_empty() {
            return Ok(());
        }
        for (row, position) in (self.placed..).zip(positions) {
            self.order[*position] = row as u32;
        }
        self.placed += positions.len();
        self.parts.push(rows()?);
        Ok(())
    }

    /// All embeddings in the order of the tokens, `[rows, length, dim]`.
    fn in_rows(self, tokens: Tokens<'_>, device: &Device) -> Result<Tensor<3>> {
        if let Some(position) = self.order.iter().position(|at| *at == u32::MAX) {
            return Err(no_vocabulary(tokens.kinds[position]));
        }
        let rows = Tensor::cat(self.parts, 0).select(0, indices(&self.order, device));
        let [count, dim] = rows.dims();
        Ok(rows.reshape([tokens.rows, count / tokens.rows.max(1), dim]))
    }
}

/// Indices as the framework takes them, `[values]`.
pub(crate) fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|value| i64::from(*value)).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device.clone().without_autodiff())
}
