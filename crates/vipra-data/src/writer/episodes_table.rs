//! The table of episodes, `meta/episodes` (interfaces b.6).

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};

use super::columns;
use super::commit::EpisodeRecord;
use super::layout::{Placement, VideoPlacement};
use crate::error::Result;
use crate::feature::{DType, Features};

/// Rows of `meta/episodes` (interfaces b.6), for consecutive episodes from number `first` on.
pub(super) fn write_episodes(
    path: &Path,
    features: &Features,
    first: usize,
    first_index: usize,
    episodes: &[(&EpisodeRecord, Placement)],
) -> Result<()> {
    let mut table: Vec<(String, ArrayRef)> = Vec::new();
    let integers = |values: Vec<usize>| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(values.into_iter().map(|value| value as i64)))
    };
    let floats = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let number_of = |get: &dyn Fn(&Placement) -> usize| integers(episodes.iter().map(|(_, at)| get(at)).collect());

    table.push(("episode_index".into(), integers((first..first + episodes.len()).collect())));
    let tasks: Vec<Vec<String>> = episodes.iter().map(|(record, _)| record.tasks.clone()).collect();
    table.push(("tasks".into(), columns::text_lists(&tasks, path)?));
    table.push(("length".into(), integers(episodes.iter().map(|(record, _)| record.length).collect())));
    table.push(("data/chunk_index".into(), number_of(&|at| at.data.chunk())));
    table.push(("data/file_index".into(), number_of(&|at| at.data.file())));
    let ends: Vec<usize> = episodes
        .iter()
        .scan(first_index, |end, (record, _)| {
            *end += record.length;
            Some(*end)
        })
        .collect();
    let starts = ends.iter().zip(episodes).map(|(end, (record, _))| end - record.length).collect();
    table.push(("dataset_from_index".into(), integers(starts)));
    table.push(("dataset_to_index".into(), integers(ends)));

    for camera in features.iter().filter(|(_, f)| f.dtype == DType::Video).map(|(name, _)| name) {
        table.push((format!("videos/{camera}/chunk_index"), number_of(&|at| at.videos[camera].file.chunk())));
        table.push((format!("videos/{camera}/file_index"), number_of(&|at| at.videos[camera].file.file())));
        let secs = |get: &dyn Fn(&VideoPlacement) -> f64| {
            floats(episodes.iter().map(|(_, at)| get(&at.videos[camera])).collect())
        };
        table.push((format!("videos/{camera}/from_timestamp"), secs(&|video| video.from_secs)));
        table.push((format!("videos/{camera}/to_timestamp"), secs(&|video| video.to_secs)));
    }
    push_statistics(&mut table, features, episodes, path)?;
    table.push(("meta/episodes/chunk_index".into(), number_of(&|at| at.meta.chunk())));
    table.push(("meta/episodes/file_index".into(), number_of(&|at| at.meta.file())));
    columns::write(path, &[columns::batch(table, path)?])
}

fn push_statistics(
    table: &mut Vec<(String, ArrayRef)>,
    features: &Features,
    episodes: &[(&EpisodeRecord, Placement)],
    path: &Path,
) -> Result<()> {
    let rows = episodes.len();
    for (name, feature) in features {
        let Some(all) = episodes.iter().map(|(record, _)| record.stats.get(name)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let shape = if feature.dtype.is_camera() { &[3, 1, 1][..] } else { &feature.shape[..] };
        let shape = if shape.is_empty() { &[1][..] } else { shape };
        let statistics = all.first().map_or(0, |stats| stats.named().len());
        for nth in 0..statistics {
            let label = all[0].named()[nth].0;
            let values = all.iter().flat_map(|stats| stats.named()[nth].1.to_vec()).collect();
            table.push((format!("stats/{name}/{label}"), columns::statistics_column(values, shape, rows, path)?));
        }
        let counts = all.iter().map(|stats| stats.count as i64).collect();
        table.push((format!("stats/{name}/count"), columns::count_column(counts, path)?));
    }
    Ok(())
}
