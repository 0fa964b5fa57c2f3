//! The datasets that other libraries and a real benchmark wrote.

use crate::common::{levels, levels_at, open};
use vipra_data::check::check;
use vipra_data::stats::{self, Collector};
use vipra_data::{DataConfig, Layout, OpenOptions, SourceConfig};

/// `lerobot_v3` was written by lerobot 0.4.4; the expected values are those of interfaces b.13.
#[test]
fn the_lerobot_fixture_holds_its_values() {
    let Some(root) = crate::common::golden("lerobot_v3") else { return };
    let source = open(&root);
    let description = source.description();
    assert_eq!(description.layout, Layout::LerobotV30);
    assert_eq!(description.tasks, ["put carrot on plate", "stack the green block"]);
    let lengths: Vec<usize> = source.episodes().iter().map(|episode| episode.length).collect();
    assert_eq!(lengths, [7, 5, 6]);

    let means = [vec![0, 4, 10, 15, 19, 24, 30], vec![60, 65, 69, 74, 80], vec![119, 124, 130, 135, 139, 145]];
    for (episode, expected) in means.iter().enumerate() {
        let rows = source.rows(episode).unwrap();
        let (state, width) = rows.numbers("observation.state").unwrap();
        let (action, _) = rows.numbers("action").unwrap();
        assert_eq!(width, 7);
        for (at, (state, action)) in state.iter().zip(&action).enumerate() {
            let wanted = episode as f64 + (at / 7) as f64 / 10.0;
            assert!(
                (state - wanted).abs() < 1e-6 && (action + wanted).abs() < 1e-6,
                "{episode} {at}: {state} {action}"
            );
        }
        let (done, _) = rows.numbers("next.done").unwrap();
        assert_eq!(done.iter().position(|&done| done == 1.0), Some(lengths[episode] - 1));
        let (task, _) = rows.numbers("task_index").unwrap();
        assert!(task.iter().all(|&task| task == [0.0, 1.0, 0.0][episode]));

        for (found, &wanted) in levels(source.as_ref(), episode, "observation.images.front").iter().zip(expected) {
            assert!((found - f64::from(wanted)).abs() <= 1.0, "episode {episode}: {found} {wanted}");
        }
        assert_eq!(levels(source.as_ref(), episode, "observation.images.raw").len(), lengths[episode]);
    }
}

#[test]
fn frames_are_found_in_any_order() {
    let Some(root) = crate::common::golden("lerobot_v3") else { return };
    let source = open(&root);
    let camera = "observation.images.front";
    let all = levels(source.as_ref(), 0, camera);
    for order in [vec![6, 0, 3], vec![1, 1, 1], vec![5, 4, 3, 2, 1, 0], vec![0, 6, 5, 6]] {
        let times: Vec<f64> = order.iter().map(|&frame| frame as f64 / 5.0).collect();
        let wanted: Vec<f64> = order.iter().map(|&frame| all[frame]).collect();
        assert_eq!(levels_at(source.as_ref(), 0, camera, &times).unwrap(), wanted, "{order:?}");
    }
}

#[test]
fn fixture_and_demonstrations_pass_the_check() {
    for root in
        [crate::common::golden("lerobot_v3"), crate::common::shared("data/simpler-widowx")].into_iter().flatten()
    {
        let report = check(&root, &OpenOptions::default(), 2, &|_, _| {}).unwrap();
        assert_eq!(report.findings, [], "{}", root.display());
        assert!(report.frames > 0);
    }
}

#[test]
fn demonstrations_have_their_numbers() {
    let Some(root) = crate::common::shared("data/simpler-widowx") else { return };
    let source = open(&root);
    let description = source.description();
    assert_eq!(source.episodes().len(), 120);
    assert_eq!(source.episodes().iter().map(|episode| episode.length).sum::<usize>(), 4591);
    assert_eq!(description.split(Some("train"), source.episodes()).unwrap().len(), 100);
    assert_eq!(description.split(Some("val"), source.episodes()).unwrap(), (100..120).collect::<Vec<_>>());

    let mut collector = Collector::default();
    (0..120).for_each(|episode| collector.add_rows(&source.rows(episode).unwrap()));
    let ours = collector.finish();
    let theirs = stats::read(&root.join("meta/stats.json")).unwrap();
    for feature in ["action", "observation.state"] {
        let (ours, theirs) = (&ours[feature], &theirs[feature]);
        assert_eq!(ours.count, theirs.count);
        for dimension in 0..7 {
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{feature} {dimension}: {a} {b}");
            close(ours.min[dimension], theirs.min[dimension]);
            close(ours.max[dimension], theirs.max[dimension]);
            close(ours.mean[dimension], theirs.mean[dimension]);
            close(ours.std[dimension], theirs.std[dimension]);
        }
    }
    // The file's quantiles are averages over episodes; 1 % of 4591 rows really lie below ours (interfaces b.10).
    assert!((ours["action"].q01[0] - -0.025863).abs() < 1e-6);
    assert!(theirs["action"].q01[0] > -0.0144);
}

#[test]
fn loose_videos_are_a_dataset() {
    let Some(root) = crate::common::shared("data/videos") else { return };
    let source = open(&root);
    assert_eq!(source.description().layout, Layout::VideoFolder);
    for (episode, length) in [(0, 37), (1, 47)] {
        assert_eq!(source.episodes()[episode].length, length);
        let levels = levels(source.as_ref(), episode, "observation.images.video");
        assert!(levels.iter().all(|level| (40.0..220.0).contains(level)), "{levels:?}");
    }
}

#[test]
fn clips_of_a_mixture_are_the_same_for_any_number_of_workers() {
    let (Some(first), Some(second)) =
        (crate::common::shared("data/simpler-widowx"), crate::common::shared("data/videos"))
    else {
        return;
    };
    let clips = |workers: usize| {
        let mut config =
            DataConfig { sources: vec![SourceConfig::new(&first), SourceConfig::new(&second)], ..Default::default() };
        config.sources[0].split = Some("val".into());
        config.augmentation = vipra_data::picture::AugmentConfig::reference();
        config.loader.workers = workers;
        let dataset = std::sync::Arc::new(vipra_data::clip::ClipDataset::open(config, &|_, _| {}).unwrap());
        let mut loader = vipra_data::clip::ClipLoader::start(dataset, Default::default()).unwrap();
        (0..24).map(|_| loader.next_clip().unwrap()).collect::<Vec<_>>()
    };
    let one = clips(1);
    assert!(one.iter().any(|clip| clip.address.source == 1));
    assert_eq!(one, clips(3));
}
