//! Recordings as datasets, and videos.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the message")]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use vipra_data::video::VideoDecoder;
use vipra_data::{OpenOptions, Source};
use vipra_sim::record::{CAMERA, Recording, evaluation_seed, play, record, recording_seed, save_video};
use vipra_sim::{Embodiment, Error, Scenes, Tabletop, TabletopConfig, TaskKind};

fn recording(embodiment: Embodiment, task: TaskKind, episodes: usize) -> Recording {
    let scenes = Scenes { tasks: vec![task], ..Scenes::default() };
    let table = TabletopConfig { embodiment, scenes, ..TabletopConfig::default() };
    Recording { table, episodes, seed: 3, actions: true, nudges: 0.0 }
}

fn quietly(_done: usize, _all: usize) {}

fn open(folder: &Path) -> Box<dyn Source> {
    vipra_data::open(folder, &OpenOptions::default()).unwrap()
}

/// Every file of a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    drop(found.insert(name, std::fs::read(path).unwrap()));
                }
            }
        }
    }
    found
}

#[test]
fn a_gripper_is_recorded_with_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let what = recording(Embodiment::Gripper, TaskKind::Put, 3);
    let recorded = record(folder.path(), &what, &quietly).unwrap();
    let source = open(folder.path());
    assert_eq!((source.episodes().len(), recorded.episodes), (3, 3));
    let seed = recording_seed(3, 0);
    let played = play(&mut Tabletop::new(what.table, seed).unwrap(), seed, 0.0, true).unwrap();
    assert!(played.verdict.success_now);
    let episode = &source.episodes()[0];
    assert_eq!((episode.length, episode.instruction()), (played.actions.len(), Some(played.instruction.as_str())));
    let rows = source.rows(0).unwrap();
    for (feature, wanted) in [("action", &played.actions), ("observation.state", &played.states)] {
        let (values, width) = rows.numbers(feature).unwrap();
        assert_eq!(width, 7);
        let wanted: Vec<f64> = wanted.as_flattened().iter().map(|value| f64::from(*value)).collect();
        assert_eq!(values, wanted);
    }
    let names = source.description().features["action"].dimension_names();
    assert_eq!(names, ["dx_m", "dy_m", "dz_m", "rot_x_rad", "rot_y_rad", "rot_z_rad", "gripper_open"]);
}

#[test]
fn a_hand_has_no_actions() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), &recording(Embodiment::Hand, TaskKind::Push, 2), &quietly).unwrap();
    let source = open(folder.path());
    let own = source.description().features.keys().filter(|name| name.starts_with("action") || name.contains("state"));
    assert_eq!(own.count(), 0);
    assert!(source.description().features.contains_key(CAMERA));
}

#[test]
fn the_same_for_any_number_of_threads_and_after_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let what = recording(Embodiment::Gripper, TaskKind::Push, 5);
    let at = |name: &str| folder.path().join(name);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    alone.install(|| record(&at("alone"), &what, &quietly)).unwrap();
    record(&at("together"), &what, &quietly).unwrap();
    let stop_at = |done: usize, _all: usize| assert!(done < 3, "stopped");
    catch_unwind(AssertUnwindSafe(|| record(&at("stopped"), &what, &stop_at))).unwrap_err();
    assert_eq!(open(&at("stopped")).episodes().len(), 3);
    let other = Recording { seed: 4, ..what.clone() };
    assert!(record(&at("stopped"), &other, &quietly).is_err(), "another recording goes on where this one stopped");
    record(&at("stopped"), &what, &quietly).unwrap();
    let expected = files(&at("alone"));
    assert!(expected.len() > 4);
    assert!(expected == files(&at("together")));
    assert!(expected == files(&at("stopped")));
}

#[test]
fn whoever_is_nudged_goes_on_from_there() {
    let what = recording(Embodiment::Gripper, TaskKind::Put, 1);
    let mut table = Tabletop::new(what.table, 0).unwrap();
    let mut nudged = 0;
    for seed in 0..8 {
        let alone = play(&mut table, seed, 0.0, false).unwrap();
        let played = play(&mut table, seed, 1.0, false).unwrap();
        assert!(played.verdict.success_now, "seed {seed}");
        let same = played.actions.iter().zip(&alone.actions).take_while(|(one, other)| one == other).count();
        // Up to the moment that it comes down nobody knows.
        assert!(same > 2, "seed {seed}");
        // What is picked up anew takes longer. (An object in a corner may have no free place beside it.)
        nudged += usize::from(played.actions.len() > alone.actions.len());
    }
    assert!(nudged >= 6, "{nudged}");
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "keep").unwrap();
    let error = record(folder.path(), &recording(Embodiment::Gripper, TaskKind::Push, 1), &quietly).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(folder.path().join("mine.txt")).unwrap(), "keep");
}

#[test]
fn recordings_and_evaluations_share_no_episode() {
    let seeds = [0, 1, 2, 7_u64].iter().flat_map(|seed| (0..50).map(|index| (*seed, index)));
    let mut all: Vec<u64> =
        seeds.flat_map(|(seed, at)| [recording_seed(seed, at), evaluation_seed(seed, at)]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 400);
}

#[test]
fn videos_are_written_by_their_ending() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = Tabletop::new(TabletopConfig::default(), 0).unwrap();
    let frames = play(&mut table, 0, 0.0, true).unwrap().frames;
    let [mp4, gif, other] = ["a.mp4", "a.gif", "a.txt"].map(|name| folder.path().join(name));
    save_video(&frames, 5, &mp4).unwrap();
    assert_eq!(VideoDecoder::open(&mp4).unwrap().info().frames, frames.len());
    save_video(&frames, 5, &gif).unwrap();
    assert_eq!(&std::fs::read(&gif).unwrap()[..3], b"GIF");
    assert!(matches!(save_video(&frames, 5, &other), Err(Error::Invalid(_))));
    assert!(matches!(save_video(&[], 5, &mp4), Err(Error::Invalid(_))));
}
