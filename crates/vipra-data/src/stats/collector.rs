//! Gathers what statistics are of.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{FeatureStats, Stats};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::rows::Rows;
use crate::source::{Source, readable_rows};
use crate::video::DecoderPool;

/// Gathers rows and pictures. Numbers are kept, eight bytes each, because true quantiles need them all; of pictures only
/// a histogram is kept.
#[derive(Clone, Default)]
pub struct Collector {
    numbers: IndexMap<String, Gathered>,
    pictures: Histograms,
}

/// How often each level of each channel occurs, for every camera.
pub(crate) type Histograms = IndexMap<String, Histogram>;

#[derive(Clone)]
struct Gathered {
    rows: usize,
    /// One list a dimension.
    dimensions: Vec<Vec<f64>>,
}

/// How often each level of each channel occurs in the pictures of a camera.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Histogram {
    pictures: usize,
    /// Red, green, blue; 256 levels each.
    channels: [Vec<usize>; 3],
}

impl Collector {
    /// Adds the numeric features of some rows.
    pub fn add_rows(&mut self, rows: &Rows) {
        for (name, column) in &rows.columns {
            let Some(values) = column.values.to_f64() else { continue };
            let gathered = self
                .numbers
                .entry(name.clone())
                .or_insert_with(|| Gathered { rows: 0, dimensions: vec![Vec::new(); column.width] });
            gathered.rows += rows.length;
            for row in values.chunks_exact(column.width.max(1)) {
                gathered.dimensions.iter_mut().zip(row).for_each(|(dimension, &value)| dimension.push(value));
            }
        }
    }

    /// Adds a picture of a camera. Large ones are thinned by an integer stride to about 150 pixels a side, as LeRobot
    /// does.
    pub fn add_picture(&mut self, camera: &str, frame: &Frame) {
        let histogram = self
            .pictures
            .entry(camera.to_owned())
            .or_insert_with(|| Histogram { pictures: 0, channels: std::array::from_fn(|_| vec![0; 256]) });
        histogram.pictures += 1;
        let longest = frame.width().max(frame.height());
        let stride = if longest < 300 { 1 } else { longest / 150 };
        for line in frame.pixels().chunks_exact(frame.width() * 3).step_by(stride) {
            for pixel in line.chunks_exact(3).step_by(stride) {
                histogram.channels.iter_mut().zip(pixel).for_each(|(counts, &level)| counts[usize::from(level)] += 1);
            }
        }
    }

    /// Adds the numbers of an episode and, of the `cameras`, all frames; nothing of them if there is an error. Features of which
    /// this episode's column is missing, damaged or not finite are left out and returned, each with what is wrong.
    ///
    /// # Errors
    /// What is wrong with the episode's rows as a whole, or with its pictures.
    pub fn add_episode(
        &mut self,
        source: &dyn Source,
        at: usize,
        cameras: &[&str],
        decoders: &mut DecoderPool,
    ) -> Result<Vec<(String, Error)>> {
        let numeric = source.description().features.iter().filter(|(_, feature)| feature.dtype.is_numeric());
        let numeric: Vec<&str> = numeric.map(|(name, _)| name.as_str()).collect();
        let (rows, unreadable) = readable_rows(source, at, &numeric)?;
        let mut added = Collector::default();
        added.add_rows(&rows);
        let times = source.episodes()[at].frame_times();
        for camera in cameras {
            source.frames(at, camera, &times, decoders, &mut |_, frame| {
                added.add_picture(camera, frame);
                Ok(())
            })?;
        }
        self.merge(added);
        Ok(unreadable)
    }

    /// What was gathered of pictures, to be kept until it is added again.
    pub(crate) fn histograms(&self) -> &Histograms {
        &self.pictures
    }

    /// A collector that has gathered pictures only.
    pub(crate) fn from_histograms(pictures: Histograms) -> Self {
        Collector { numbers: IndexMap::new(), pictures }
    }

    /// Adds everything that `other` gathered.
    pub fn merge(&mut self, other: Collector) {
        for (name, gathered) in other.numbers {
            match self.numbers.get_mut(&name) {
                Some(mine) => {
                    mine.rows += gathered.rows;
                    mine.dimensions.iter_mut().zip(gathered.dimensions).for_each(|(mine, theirs)| mine.extend(theirs));
                }
                None => drop(self.numbers.insert(name, gathered)),
            }
        }
        for (name, histogram) in other.pictures {
            match self.pictures.get_mut(&name) {
                Some(mine) => {
                    mine.pictures += histogram.pictures;
                    for (mine, theirs) in mine.channels.iter_mut().flatten().zip(histogram.channels.iter().flatten()) {
                        *mine += theirs;
                    }
                }
                None => drop(self.pictures.insert(name, histogram)),
            }
        }
    }

    /// The statistics of everything gathered so far.
    pub fn finish(&self) -> Stats {
        let numbers = self.numbers.iter().map(|(name, gathered)| {
            let dimensions = gathered.dimensions.iter().map(|values| values.iter().map(|&value| (value, 1)).collect());
            (name.clone(), FeatureStats::of(gathered.rows, dimensions))
        });
        let pictures = self.pictures.iter().map(|(name, histogram)| {
            let channels = histogram.channels.iter().map(|counts| {
                let levels = counts.iter().enumerate().filter(|(_, count)| **count > 0);
                levels.map(|(level, &count)| (level as f64 / 255.0, count)).collect()
            });
            (name.clone(), FeatureStats::of(histogram.pictures, channels))
        });
        numbers.chain(pictures).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Values;

    #[test]
    fn statistics_are_those_of_numpy() {
        // numpy: x = [3, 1, 4, 1, 5]; quantiles by np.quantile(x, q).
        let mut rows = Rows { length: 5, ..Default::default() };
        rows.insert("x", 1, Values::F64(vec![3.0, 1.0, 4.0, 1.0, 5.0])).unwrap();
        let mut collector = Collector::default();
        collector.add_rows(&rows);
        let stats = &collector.finish()["x"];
        let close = |a: &[f64], b: f64| assert!((a[0] - b).abs() < 1e-12, "{a:?} {b}");
        close(&stats.mean, 2.8);
        close(&stats.std, 1.6);
        close(&stats.q01, 1.0);
        close(&stats.q10, 1.0);
        close(&stats.q50, 3.0);
        close(&stats.q90, 4.6);
        close(&stats.q99, 4.96);
        assert_eq!((stats.min[0], stats.max[0], stats.count), (1.0, 5.0, 5));
    }

    #[test]
    fn merging_equals_gathering_at_once() {
        let part = |values: &[f32]| {
            let mut rows = Rows { length: values.len() / 2, ..Default::default() };
            rows.insert("x", 2, Values::F32(values.to_vec())).unwrap();
            let mut collector = Collector::default();
            collector.add_rows(&rows);
            collector.add_picture("c", &Frame::from_pixels(1, 1, vec![values[0] as u8; 3]).unwrap());
            collector
        };
        let mut merged = part(&[1.0, 2.0, 3.0, 4.0]);
        merged.merge(part(&[9.0, 8.0]));
        let mut at_once = Collector::default();
        let mut rows = Rows { length: 3, ..Default::default() };
        rows.insert("x", 2, Values::F32(vec![1.0, 2.0, 3.0, 4.0, 9.0, 8.0])).unwrap();
        at_once.add_rows(&rows);
        at_once.add_picture("c", &Frame::from_pixels(1, 1, vec![1; 3]).unwrap());
        at_once.add_picture("c", &Frame::from_pixels(1, 1, vec![9; 3]).unwrap());
        assert_eq!(merged.finish(), at_once.finish());
    }
}
