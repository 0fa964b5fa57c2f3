//! Conversions that are killed.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{code, command, contains, dataset, stdout, succeeds, text, vipra};

#[test]
fn a_killed_conversion_is_readable_and_goes_on() {
    const EPISODES: usize = 80;
    let folder = tempfile::tempdir().unwrap();
    let root = dataset(folder.path(), EPISODES);
    let (killed, straight) = (folder.path().join("killed"), folder.path().join("straight"));
    let arguments =
        |target: &Path| ["data", "convert", text(&root), text(target), "--codec", "h264"].map(str::to_owned);

    let mut child = command(&[]).args(arguments(&killed)).spawn().unwrap();
    let committed = killed.join("meta/episodes/chunk-000/file-004.parquet");
    let began = Instant::now();
    while !committed.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no fifth episode after a minute");
        assert!(child.try_wait().unwrap().is_none(), "the conversion ended before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let shown: serde_json::Value =
        serde_json::from_str(&succeeds(&["data", "inspect", text(&killed), "--json"])).unwrap();
    let finished = shown["episodes"].as_u64().unwrap();
    assert!((5..EPISODES as u64).contains(&finished), "{finished}");
    let report = vipra(&["data", "check", text(&killed)]);
    assert_eq!(code(&report), 1);
    contains(&stdout(&report), &["1 thing wrong", "a recording that was not finished"]);

    let run = |target: &Path| {
        let arguments = arguments(target);
        succeeds(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    contains(&run(&killed), &["80 episodes"]);
    run(&straight);
    for file in ["meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/vipra.json"] {
        assert!(std::fs::read(killed.join(file)).unwrap() == std::fs::read(straight.join(file)).unwrap(), "{file}");
    }
    for folder in ["meta/episodes", "data"] {
        let file = format!("{folder}/chunk-000/file-000.parquet");
        assert!(std::fs::read(killed.join(&file)).unwrap() == std::fs::read(straight.join(&file)).unwrap(), "{file}");
    }
    contains(&run(&killed), &["already converted: 80 episodes"]);
    succeeds(&["data", "check", text(&killed)]);
}
