//! From tokens to embeddings.

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::tokens::Tokens;
use super::transformer::{Transformer, no_vocabulary};
use crate::layout::Kind;
use crate::{Error, Result};

impl Transformer {
    /// Embeddings: the rows of each table that are needed, put into the order of the tokens. No table is looked up for
    /// tokens of another kind (the release looks every id up in each). Tokens of kinds without a table are `given` as they
    /// are embedded, by kind, in their order.
    ///
    /// # Shapes
    /// `given`: `[tokens of the kind, dim]` each → `[rows, length, dim]`
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for an id that its vocabulary does not have, [`Error::Invalid`] for tokens that are neither in
    /// a table nor given, and for observed frames that are not whole where they are merged.
    pub fn embed(&self, tokens: Tokens<'_>, given: &[(Kind, Tensor<2>)]) -> Result<Tensor<3>> {
        let mut embedded = Embedded::new(tokens.ids.len());
        let tables = [(&self.text_embedding, Kind::Text), (&self.latent_action_embedding, Kind::LatentAction)];
        for (table, kind) in tables {
            let positions = tokens.positions(&[kind]);
            embedded.put(&positions, || look_up(table, tokens, &positions))?;
        }
        self.embed_frames(tokens, &mut embedded)?;
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

    /// Tokens of frames, with the embeddings of their places; several observed ones as one, where the model merges them.
    fn embed_frames(&self, tokens: Tokens<'_>, embedded: &mut Embedded) -> Result<()> {
        let places = self.frame_position_embedding.as_ref().map(|table| table.lazy_shape()[0] - 1);
        let merged = self.frame_merger.as_ref().map_or(1, |merger| merger.merged());
        let codes = self.frame_merger.as_ref().map(|merger| merger.codes()).or(places);
        let Some(codes) = codes else {
            let positions = tokens.positions(&[Kind::Vision, Kind::LatentState]);
            return embedded.put(&positions, || look_up(&self.vision_embedding, tokens, &positions));
        };
        let found = tokens.in_frames(codes, merged)?;
        embedded.put(&found.single, || {
            let rows = look_up(&self.vision_embedding, tokens, &found.single)?;
            Ok(self.place(rows, &found.places))
        })?;
        let Some(merger) = &self.frame_merger else { return Ok(()) };
        embedded.put(&found.merged, || {
            let ids: Vec<u32> = tokens.observed.iter().map(|id| u32::from(*id)).collect();
            let size = self.vision_embedding.lazy_shape()[0];
            if let Some(position) = ids.iter().position(|id| *id as usize >= size) {
                let sample = "observed frames".to_owned();
                return Err(Error::Vocabulary { sample, position, id: ids[position], kind: Kind::Vision, size });
            }
            let rows = self.vision_embedding.val().select(0, indices(&ids, &self.vision_embedding.lazy_device()));
            let places: Vec<u32> = (0..ids.len()).map(|at| (at % codes) as u32).collect();
            Ok(merger.forward(self.place(rows, &places)))
        })
    }

    /// Embeddings of codes at these places in their frames.
    ///
    /// # Shapes
    /// `[codes, dim]` → the same.
    fn place(&self, rows: Tensor<2>, places: &[u32]) -> Tensor<2> {
        match &self.frame_position_embedding {
            Some(table) => rows + table.val().select(0, indices(places, &table.lazy_device())),
            None => rows,
        }
    }
}

/// Embeddings of the tokens at some positions.
fn look_up(table: &Param<Tensor<2>>, tokens: Tokens<'_>, positions: &[usize]) -> Result<Tensor<2>> {
    let ids = tokens.ids_at(positions, table.lazy_shape()[0])?;
    Ok(table.val().select(0, indices(&ids, &table.lazy_device())))
}

/// Embeddings in parts, and which token has which.
struct Embedded {
    parts: Vec<Tensor<2>>,
    placed: usize,
    /// Row of each token in the parts; `u32::MAX` while it has none.
    order: Vec<u32>,
}

impl Embedded {
    fn new(tokens: usize) -> Self {
        Self { parts: Vec::new(), placed: 0, order: vec![u32::MAX; tokens] }
    }

    /// `[positions, dim]`, which are asked for if there are any.
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

    /// → `[rows, length, dim]`
    fn in_rows(self, tokens: Tokens<'_>, device: &Device) -> Result<Tensor<3>> {
        if let Some(position) = self.order.iter().position(|at| *at == u32::MAX) {
            return Err(no_vocabulary(tokens.kinds[position]));
        }
        let rows = Tensor::cat(self.parts, 0).select(0, indices(&self.order, device));
        let [count, dim] = rows.dims();
        Ok(rows.reshape([tokens.rows, count / tokens.rows.max(1), dim]))
    }
}

/// Indices as the framework takes them.
pub(crate) fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|value| i64::from(*value)).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device.clone().without_autodiff())
}
