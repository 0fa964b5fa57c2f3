//! Clips and their loader, on a dataset whose pictures say which frame they are.

use std::sync::Arc;

use crate::common::{CAMERA, grey, write_dataset};
use vipra_data::clip::{Clip, ClipAddress, ClipDataset, ClipLoader, LoaderState};
use vipra_data::picture::AugmentConfig;
use vipra_data::{DataConfig, SourceConfig};

fn config(root: &std::path::Path) -> DataConfig {
    let mut config = DataConfig { sources: vec![SourceConfig::new(root)], ..Default::default() };
    config.sources[0].camera = Some(CAMERA.into());
    config.clip.frames = 4;
    config.clip.interval_secs = 0.1;
    (config.image.width, config.image.height) = (16, 12);
    config
}

fn dataset(config: DataConfig) -> Arc<ClipDataset> {
    Arc::new(ClipDataset::open(config, &|_, _| {}).unwrap())
}

fn take(loader: &mut ClipLoader, count: usize) -> Vec<Clip> {
    (0..count).map(|_| loader.next_clip().unwrap()).collect()
}

#[test]
fn a_clip_holds_its_frames_and_repeats_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[8, 3]);
    let dataset = dataset(config(&root));
    let mut reader = dataset.reader(1);
    let mut clip = Clip::default();
    for (episode, start, frames, mask) in [
        (0, 0, [0, 1, 2, 3], [true; 4]),
        (0, 6, [6, 7, 7, 7], [true, true, false, false]),
        (1, 1, [1, 2, 2, 2], [true, true, false, false]),
    ] {
        let address = ClipAddress { source: 0, episode, start };
        dataset.read(address, (0, 0), &mut reader, &mut clip).unwrap();
        assert_eq!(clip.mask, mask);
        assert_eq!(clip.frames.len(), 4 * 12 * 16 * 3);
        for (nth, frame) in frames.into_iter().enumerate() {
            let level = clip.frame(nth).pixel(8, 6)[0];
            assert!(level.abs_diff(grey(episode, frame)) <= 2, "{episode} {start} {nth}: {level}");
        }
    }
}

#[test]
fn a_longer_interval_skips_frames_of_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[8]);
    let mut config = config(&root);
    config.clip.interval_secs = 0.2;
    let dataset = dataset(config);
    let mut clip = Clip::default();
    let address = ClipAddress { source: 0, episode: 0, start: 1 };
    dataset.read(address, (0, 0), &mut dataset.reader(1), &mut clip).unwrap();
    let found: Vec<u8> = (0..4).map(|nth| clip.frame(nth).pixel(8, 6)[0]).collect();
    assert!(found.iter().zip([1, 3, 5, 7]).all(|(level, frame)| level.abs_diff(grey(0, frame)) <= 2), "{found:?}");
}

#[test]
fn padding_is_the_last_frame_of_the_episode_and_not_of_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[8]);
    let mut config = config(&root);
    config.clip.interval_secs = 0.2;
    let dataset = dataset(config);
    let mut clip = Clip::default();
    let address = ClipAddress { source: 0, episode: 0, start: 4 };
    dataset.read(address, (0, 0), &mut dataset.reader(1), &mut clip).unwrap();
    assert_eq!(clip.mask, [true, true, false, false]);
    let found: Vec<u8> = (0..4).map(|nth| clip.frame(nth).pixel(8, 6)[0]).collect();
    assert!(found.iter().zip([4, 6, 7, 7]).all(|(level, frame)| level.abs_diff(grey(0, frame)) <= 2), "{found:?}");
}

#[test]
fn clips_of_a_video_with_a_variable_rate_do_not_depend_on_the_workers() {
    let clips = |workers: usize| {
        let mut config = config(&crate::common::fixture("variable"));
        config.sources[0].camera = None;
        config.clip.interval_secs = 0.05;
        config.loader.workers = workers;
        let dataset = dataset(config);
        take(&mut ClipLoader::start(dataset, LoaderState::default()).unwrap(), 40)
    };
    let one = clips(1);
    assert_eq!(one, clips(2));
    assert_eq!(one, clips(7));
}

#[test]
fn episodes_that_are_too_short_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[8, 2]);
    let mut config = config(&root);
    config.clip.min_real_frames = 4;
    let skipped = dataset(config).skipped();
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].what.contains("episode 1") && skipped[0].reason.contains("2 frames"), "{skipped:?}");
}

#[test]
fn the_stream_is_the_same_for_any_workers_and_from_any_state() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[8, 3, 6]);
    let with = |workers: usize, open_decoders: usize| {
        let mut config = config(&root);
        config.augmentation = AugmentConfig::reference();
        (config.loader.workers, config.loader.open_decoders) = (workers, open_decoders);
        dataset(config)
    };
    let per_epoch = with(1, 1).sampler().clips_per_epoch() as usize;
    let straight = take(&mut ClipLoader::start(with(1, 1), LoaderState::default()).unwrap(), 2 * per_epoch + 3);
    for (workers, open_decoders) in [(2, 2), (5, 16)] {
        let mut loader = ClipLoader::start(with(workers, open_decoders), LoaderState::default()).unwrap();
        assert_eq!(take(&mut loader, straight.len()), straight);
    }

    let mut loader = ClipLoader::start(with(2, 4), LoaderState::default()).unwrap();
    take(&mut loader, per_epoch + 2);
    let state: LoaderState = serde_json::from_str(&serde_json::to_string(&loader.state()).unwrap()).unwrap();
    assert_eq!(state, LoaderState { epoch: 1, index: 2 });
    drop(loader);
    let mut resumed = ClipLoader::start(with(3, 4), state).unwrap();
    assert_eq!(take(&mut resumed, per_epoch + 1), straight[per_epoch + 2..]);
}

#[test]
fn memory_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[8, 8]);
    let mut loader = ClipLoader::start(dataset(config(&root)), LoaderState::default()).unwrap();
    let mut clip = loader.next_clip().unwrap();
    // A capacity that no clip has of its own marks the memory.
    const MARK: usize = 1_234_567;
    clip.frames.reserve_exact(MARK);
    let marked = clip.frames.capacity();
    loader.recycle(clip);
    assert!((0..50).any(|_| loader.next_clip().unwrap().frames.capacity() == marked));
}

#[test]
fn augmentation_is_one_for_all_frames_of_a_clip() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[4, 4, 4]);
    let mut config = config(&root);
    config.augmentation = AugmentConfig { brightness: 0.1, ..AugmentConfig::default() };
    let dataset = dataset(config);
    let mut reader = dataset.reader(1);
    // Episode 2 is bright enough for no frame to be clipped.
    let address = ClipAddress { source: 0, episode: 2, start: 0 };
    let shifts = (0..4).map(|index| {
        let mut clip = Clip::default();
        dataset.read(address, (0, index), &mut reader, &mut clip).unwrap();
        let shift = |nth: usize| i32::from(clip.frame(nth).pixel(8, 6)[0]) - i32::from(grey(2, nth));
        assert!((1..4).all(|nth| (shift(nth) - shift(0)).abs() <= 3), "{:?}", (0..4).map(shift).collect::<Vec<_>>());
        shift(0)
    });
    assert!(shifts.collect::<std::collections::HashSet<_>>().len() > 1);
}

#[test]
fn what_cannot_be_asked_for_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[4]);
    let beyond = LoaderState { epoch: u64::MAX, index: 0 };
    assert!(
        ClipLoader::start(dataset(config(&root)), beyond).err().unwrap().to_string().contains("beyond every count")
    );
    let fails = |change: &dyn Fn(&mut DataConfig)| {
        let mut config = config(&root);
        change(&mut config);
        ClipDataset::open(config, &|_, _| {}).err().unwrap().to_string()
    };
    assert!(fails(&|config| config.sources.clear()).contains("data.sources"));
    assert!(
        fails(&|config| config.sources[0].split = Some("test".into()))
            .contains("no split named `test` (there is: train)")
    );
    assert!(
        fails(&|config| config.sources[0].camera = None)
            .contains("observation.images.front, observation.images.stored")
    );
    assert!(fails(&|config| config.clip.interval_secs = 60.0).contains("no episode lasts 60.000 s"));
    assert!(fails(&|config| config.sources[0].weight = 0.0).contains("weight"));
    assert!(fails(&|config| config.loader.workers = 0).contains("loader.workers: 0 is not from 1 to 256"));
    assert!(fails(&|config| config.clip.min_real_frames = 9).contains("min_real_frames"));
}
