//! The transformer.

use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use vipra_nn::ops::{self, Branches, CausalAttention, Pairs, RotaryTable};

use super::cache::{Cache, LayerCache};
use super::config::{RotaryPrecision, TransformerConfig, Vocabularies};
use super::frame_positions::frame_positions;
use super::layer::{Layer, RmsNorm};
use crate::layout::Kind;
use crate::{Error, Result};

/// Spread of the embeddings and of the heads at first (reference 6.6).
const SPREAD: f64 = 0.02;

/// A causal transformer over tokens of several kinds, each with an embedding and a head of its own (reference 6.1).
#[derive(Module, Debug)]
pub struct Transformer {
    /// `[vocabulary, dim]`
    pub text_embedding: Param<Tensor<2>>,
    /// `[vocabulary, dim]`; of observed frames and of the latent state.
    pub vision_embedding: Param<Tensor<2>>,
    /// `[tokens of a frame and its end, dim]`; added to the embeddings of a frame's tokens, if the model has it.
    pub frame_position_embedding: Option<Param<Tensor<2>>>,
    /// `[vocabulary, dim]`
    pub latent_action_embedding: Param<Tensor<2>>,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Before the heads.
    pub norm: RmsNorm,
    /// `dim → vocabulary`
    pub text_head: Linear,
    /// `dim → vocabulary`; of observed frames and of the latent state.
    pub vision_head: Linear,
    /// `dim → vocabulary`
    pub latent_action_head: Linear,
    /// What the tables cannot say.
    #[module(skip)]
    attention: AttentionConfig,
}

#[derive(Debug, Clone)]
struct AttentionConfig {
    heads: usize,
    head_dim: usize,
    theta: f64,
    precision: RotaryPrecision,
}

impl TransformerConfig {
    /// A model with random weights.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the sizes do not fit.
    pub fn init(&self, vocabularies: &Vocabularies, device: &Device) -> Result<Transformer> {
        self.validate()?;
        let dim = self.dim;
        let table =
            |ids: usize| Param::from_tensor(Tensor::random([ids, dim], Distribution::Normal(0.0, SPREAD), device));
        let head = |ids: usize| {
            let initializer = Initializer::Normal { mean: 0.0, std: SPREAD };
            LinearConfig::new(dim, ids).with_bias(false).with_initializer(initializer).init(device)
        };
        Ok(Transformer {
            text_embedding: table(vocabularies.text),
            vision_embedding: table(vocabularies.vision),
            frame_position_embedding: (vocabularies.frame_positions > 0).then(|| table(vocabularies.frame_positions)),
            latent_action_embedding: table(vocabularies.latent_action),
            layers: (0..self.layers).map(|_| Layer::new(self, device)).collect(),
            norm: RmsNorm::new(dim, self.norm_epsilon, device),
            text_head: head(vocabularies.text),
            vision_head: head(vocabularies.vision),
            latent_action_head: head(vocabularies.latent_action),
            attention: AttentionConfig {
                heads: self.heads,
                head_dim: self.head_dim(),
                theta: self.rotary_theta,
                precision: self.rotary_precision,
            },
        })
    }
}

/// Tokens in rows.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    /// Rows.
    pub rows: usize,
    /// Tokens, row by row.
    pub ids: &'a [u32],
    /// Kind of each.
    pub kinds: &'a [Kind],
    /// Tokens of frames that stand right before each row, in a cache: a frame may go on.
    frame_tokens_before: usize,
}

impl<'a> Tokens<'a> {
    /// Rows that begin with nothing, or behind a whole frame.
    pub fn new(rows: usize, ids: &'a [u32], kinds: &'a [Kind]) -> Self {
        Self { rows, ids, kinds, frame_tokens_before: 0 }
    }

    /// The same behind so many tokens of frames.
    pub fn behind(self, frame_tokens: usize) -> Self {
        Self { frame_tokens_before: frame_tokens, ..self }
    }
}

impl Transformer {
    /// What the last layer says about each token, normalised for the heads. A token sees itself and what comes before in
    /// its row, from `first_seen` on (see [`CausalAttention`]).
    ///
    /// # Shapes
    /// → `[rows, length, dim]`
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for an id that its vocabulary does not have.
    pub fn forward(&self, tokens: Tokens<'_>, first_seen: Option<Vec<u32>>) -> Result<Tensor<3>> {
        Ok(self.forward_embedded(self.embed(tokens, &[])?, first_seen))
    }

    /// As [`forward`](Self::forward) for [embedded](Self::embed) tokens.
    ///
    /// # Shapes
    /// `[rows, length, dim]` → the same.
    pub fn forward_embedded(&self, x: Tensor<3>, first_seen: Option<Vec<u32>>) -> Tensor<3> {
        let rotary = self.rotary(0..x.dims()[1], &x.device());
        self.attend(x, CausalAttention { heads: self.attention.heads, rotary, first_seen, branches: None })
    }

    /// As [`forward_embedded`](Self::forward_embedded) for rows that go on in several ways.
    ///
    /// # Shapes
    /// `[rows, length, dim]` → the same.
    pub fn forward_branches(&self, x: Tensor<3>, first_seen: Option<Vec<u32>>, branches: Branches) -> Tensor<3> {
        let rotary = self.rotary(branches.positions(x.dims()[1]), &x.device());
        let heads = self.attention.heads;
        self.attend(x, CausalAttention { heads, rotary, first_seen, branches: Some(branches) })
    }

    fn attend(&self, x: Tensor<3>, attention: CausalAttention) -> Tensor<3> {
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x, &attention));
        self.norm.forward(x)
    }

    /// As [`forward`](Self::forward) for tokens that come behind those that a cache holds, which takes them in.
    ///
    /// # Shapes
    /// → `[rows, new, dim]`
    ///
    /// # Errors
    /// [`Error::Vocabulary`].
    pub fn forward_cached(&self, tokens: Tokens<'_>, cache: &mut Cache) -> Result<Tensor<3>> {
        Ok(self.read(self.embed(tokens, &[])?, cache))
    }

    /// As [`forward_cached`](Self::forward_cached) for [embedded](Self::embed) tokens.
    ///
    /// # Shapes
    /// `[rows, new, dim]` → the same.
    pub fn read(&self, x: Tensor<3>, cache: &mut Cache) -> Tensor<3> {
        let new = x.dims()[1];
        let rotary = self.rotary(cache.length..cache.length + new, &x.device());
        cache.layers.resize(self.layers.len(), LayerCache::default());
        let first_seen = cache.first_seen.as_deref();
        let layers = self.layers.iter().zip(&mut cache.layers);
        let x = layers.fold(x, |x, (layer, cache)| {
            layer.forward_behind(x, &rotary, first_seen, |keys, values| cache.extend(keys, values))
        });
        cache.length += new;
        self.norm.forward(x)
    }

    /// As [`read`](Self::read), but the cache stays as it is: for tokens that will be others the next time.
    ///
    /// # Shapes
    /// `[rows, new, dim]` → the same.
    pub fn glance(&self, x: Tensor<3>, cache: &Cache) -> Tensor<3> {
        let rotary = self.rotary(cache.length..cache.length + x.dims()[1], &x.device());
        let first_seen = cache.first_seen.as_deref();
        let empty = LayerCache::default();
        let held = cache.layers.iter().chain(std::iter::repeat(&empty));
        let x = self.layers.iter().zip(held).fold(x, |x, (layer, cache)| {
            layer.forward_behind(x, &rotary, first_seen, |keys, values| cache.with(keys, values))
        });
        self.norm.forward(x)
    }

    /// Width.
    pub fn dim(&self) -> usize {
        self.attention.heads * self.attention.head_dim
    }

    /// Scores of the vocabulary of a kind.
    ///
    /// # Shapes
    /// `[.., dim]` → `[.., vocabulary]`
    ///
    /// # Errors
    /// [`Error::Invalid`] for kinds that are no tokens of a vocabulary.
    pub fn logits<const D: usize>(&self, kind: Kind, hidden: Tensor<D>) -> Result<Tensor<D>> {
        let head = match kind {
            Kind::Text => &self.text_head,
            Kind::Vision | Kind::LatentState => &self.vision_head,
            Kind::LatentAction => &self.latent_action_head,
            Kind::Proprio | Kind::Action => return Err(no_vocabulary(kind)),
        };
        Ok(ops::linear(head, hidden))
    }

    /// Embeddings: the rows of each table that are needed, put into the order of the tokens. No table is looked up for
    /// tokens of another kind (the release looks every id up in each). Tokens of kinds without a table are `given` as they
    /// are embedded, by kind, in their order.
    ///
    /// # Shapes
    /// `given`: `[tokens of the kind, dim]` each → `[rows, length, dim]`
    ///
    /// # Errors
    /// [`Error::Vocabulary`] for an id that its vocabulary does not have, [`Error::Invalid`] for tokens that are neither in
    /// a table nor given.
    pub fn embed(&self, tokens: Tokens<'_>, given: &[(Kind, Tensor<2>)]) -> Result<Tensor<3>> {
        let tables = [
            (&self.text_embedding, [Kind::Text, Kind::Text]),
            (&self.vision_embedding, [Kind::Vision, Kind::LatentState]),
            (&self.latent_action_embedding, [Kind::LatentAction, Kind::LatentAction]),
        ];
        let count = tokens.ids.len();
        let mut order = vec![usize::MAX; count];
        let (mut parts, mut placed) = (Vec::new(), 0);
        for (table, kinds) in tables {
            let size = table.lazy_shape()[0];
            let mut ids = Vec::new();
            for (position, kind) in tokens.kinds.iter().enumerate().filter(|(_, kind)| kinds.contains(kind)) {
                let id = tokens.ids[position];
                if id as usize >= size {
                    let sample = format!("row {}", position * tokens.rows / count.max(1));
                    let position = position % (count / tokens.rows.max(1)).max(1);
                    return Err(Error::Vocabulary { sample, position, id, kind: *kind, size });
                }
                order[position] = placed + ids.len();
                ids.push(id);
            }
            if !ids.is_empty() {
                placed += ids.len();
                let rows = table.val().select(0, indices(&ids, &table.lazy_device()));
                parts.push(if kinds.contains(&Kind::Vision) { self.place_in_frames(rows, tokens) } else { rows });
            }
        }
        for (kind, rows) in given {
            let places: Vec<usize> = (0..count).filter(|position| tokens.kinds[*position] == *kind).collect();
            let found = rows.dims()[0];
            if places.len() != found {
                return Err(Error::Invalid(format!("{found} embeddings for {} tokens of kind {kind}", places.len())));
            }
            if found > 0 {
                places.iter().enumerate().for_each(|(index, position)| order[*position] = placed + index);
                placed += found;
                parts.push(rows.clone());
            }
        }
        if let Some(position) = order.iter().position(|at| *at == usize::MAX) {
            return Err(no_vocabulary(tokens.kinds[position]));
        }
        let order: Vec<u32> = order.into_iter().map(|at| at as u32).collect();
        let device = self.text_embedding.lazy_device();
        let rows = Tensor::cat(parts, 0).select(0, indices(&order, &device));
        let dim = rows.dims()[1];
        Ok(rows.reshape([tokens.rows, count / tokens.rows.max(1), dim]))
    }

    /// Embeddings of all tokens of frames, with those of their places.
    ///
    /// # Shapes
    /// `[tokens of frames, dim]` → the same.
    fn place_in_frames(&self, rows: Tensor<2>, tokens: Tokens<'_>) -> Tensor<2> {
        let Some(table) = &self.frame_position_embedding else { return rows };
        let positions = table.lazy_shape()[0];
        let places = frame_positions(tokens.kinds, tokens.rows, positions, tokens.frame_tokens_before);
        rows + table.val().select(0, indices(&places, &table.lazy_device()))
    }

    fn rotary(&self, positions: impl IntoIterator<Item = usize>, device: &Device) -> RotaryTable {
        let AttentionConfig { head_dim, theta, precision, .. } = self.attention;
        RotaryTable::of(positions, head_dim, theta, precision.into(), Pairs::Neighbours, device)
    }
}

fn no_vocabulary(kind: Kind) -> Error {
    Error::Invalid(format!("tokens of kind {kind} have no vocabulary in this model"))
}

/// Indices as the framework takes them.
pub(crate) fn indices(values: &[u32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|value| i64::from(*value)).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &device.clone().without_autodiff())
}
