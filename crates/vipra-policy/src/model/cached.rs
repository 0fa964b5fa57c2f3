//! Passes over tokens behind those of a cache.

use std::iter::repeat_n;
use std::ops::Range;

use burn::tensor::{Device, Tensor};
use vipra_nn::ops::{CachedAttentionOptions, KeysValues};

use super::kv_cache::KvCache;
use super::tokens::Tokens;
use super::transformer::Transformer;
use crate::Result;
use crate::layout::TokenKind;

impl Transformer {
    /// As [`forward`](Self::forward) for tokens behind those of a cache, to which they are added.
    ///
    /// # Shapes
    /// → `[rows, new, dim]`
    ///
    /// # Errors
    /// Those of [`embed`](Self::embed).
    pub fn forward_cached(&self, tokens: Tokens<'_>, cache: &mut KvCache) -> Result<Tensor<3>> {
        let x = self.embed_behind(tokens, &[], cache)?;
        let new = x.dims()[1];
        let x = self.run_layers_cached(x, 0..new, 0..self.layers.len(), cache);
        cache.count(tokens);
        Ok(self.norm.forward(x))
    }

    /// As [`forward_cached`](Self::forward_cached), but the output of each row's last token alone; there must be at least one.
    /// For the tokens before it, the last layer computes only keys and values. Tokens of kinds without a table are `given` as in
    /// [`embed`](Self::embed).
    ///
    /// # Shapes
    /// `given`: `[tokens of the kind, dim]` each → `[rows, 1, dim]`
    ///
    /// # Errors
    /// Those of [`embed`](Self::embed).
    pub fn forward_cached_last(
        &self,
        tokens: Tokens<'_>,
        given: &[(TokenKind, Tensor<2>)],
        cache: &mut KvCache,
    ) -> Result<Tensor<3>> {
        let x = self.embed_behind(tokens, given, cache)?;
        let (new, last) = (x.dims()[1], self.layers.len() - 1);
        let x = self.run_layers_cached(x, 0..new, 0..last, cache);
        if new > 1 {
            let projected = self.layers[last].project(x.clone().narrow(1, 0, new - 1));
            let read = KeysValues::new(projected, &self.attention_behind(0..new - 1, cache, &x.device()));
            cache.extend(last, read);
        }
        let x = self.run_layers_cached(x.narrow(1, new - 1, 1), new - 1..new, last..last + 1, cache);
        cache.count(tokens);
        Ok(self.norm.forward(x))
    }

    /// As [`forward_cached`](Self::forward_cached) for [embedded](Self::embed) tokens, but the cache stays as it is: for
    /// tokens that are replaced by others the next time.
    ///
    /// # Shapes
    /// `[rows, new, dim]` → the same.
    pub fn forward_cached_readonly(&self, x: Tensor<3>, cache: &KvCache) -> Tensor<3> {
        let attention = self.attention_behind(0..x.dims()[1], cache, &x.device());
        let layers = self.layers.iter().enumerate();
        let x = layers.fold(x, |x, (index, layer)| layer.forward_behind(x, cache.layers.get(index), &attention).0);
        self.norm.forward(x)
    }

    /// Runs some of the layers on tokens at positions `new` behind a cache, and adds their keys and values to it.
    ///
    /// # Shapes
    /// `[rows, new, dim]` → the same.
    fn run_layers_cached(
        &self,
        x: Tensor<3>,
        new: Range<usize>,
        layers: Range<usize>,
        cache: &mut KvCache,
    ) -> Tensor<3> {
        let attention = self.attention_behind(new, cache, &x.device());
        layers.fold(x, |x, index| {
            let (x, projected) = self.layers[index].forward_behind(x, cache.layers.get(index), &attention);
            cache.extend(index, KeysValues::new(projected, &attention));
            x
        })
    }

    fn attention_behind(&self, new: Range<usize>, cache: &KvCache, device: &Device) -> CachedAttentionOptions {
        let of_rows = |padding: &Vec<u32>| padding.iter().flat_map(|first| repeat_n(*first, new.len())).collect();
        let first_seen: Option<Vec<u32>> = cache.left_padding.as_ref().map(of_rows);
        let positions = cache.length + new.start..cache.length + new.end;
        CachedAttentionOptions {
            heads: self.heads(),
            rotary: self.rotary(positions, first_seen.as_deref(), device),
            left_padding: cache.left_padding.clone(),
        }
    }
}
