//! Pictures that are stored in rows.

use crate::common::{STORED, grey, levels_at, open, write_dataset};

#[test]
fn more_pictures_than_are_read_at_a_time_come_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    write_dataset(&root, &[3, 150]);
    let source = open(&root);
    // They are read 64 at a time: all of them, those around the seam more than once; with gaps; and going back.
    let around_the_seam = (0..64).chain([63, 63, 64, 64]).chain(64..150);
    let with_gaps = (0..150).step_by(2).chain([149, 149]);
    let frames: Vec<usize> = around_the_seam.chain(with_gaps).chain([140, 3, 3, 2]).collect();
    let times: Vec<f64> = frames.iter().map(|&frame| frame as f64 / 10.0).collect();
    let expected: Vec<f64> = frames.iter().map(|&frame| f64::from(grey(1, frame))).collect();
    assert_eq!(levels_at(source.as_ref(), 1, STORED, &times).unwrap(), expected);
}
