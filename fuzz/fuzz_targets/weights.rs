//! Any bytes as a file of weights, safetensors or PyTorch's: an error that says what is wrong with the file, or as many
//! numbers as the shapes say; never a panic, and no memory that the file's size does not account for.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use vipra_nn::Error;
use vipra_nn::weights::Weights;

/// How many times as many bytes as the file has its numbers may take: views of one storage, and halves made whole.
const LARGEST_GROWTH: usize = 2 * 16;

fuzz_target!(|data: &[u8]| {
    read(data);
    // Changed bytes in an archive seldom get past its checksums.
    if data.starts_with(b"PK") {
        read(&with_right_checksums(data));
    }
});

fn read(bytes: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_err() {
        return;
    }
    let weights = match Weights::read(file.path()) {
        Ok(weights) => weights,
        Err(Error::UnknownFormat { .. } | Error::Safetensors { .. } | Error::Pytorch { .. }) => return,
        Err(other) => panic!("this says nothing about the file: {other}"),
    };
    let mut numbers = 0;
    for (shape, values) in weights.names().filter_map(|name| weights.floats(name)) {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        numbers += values.len();
    }
    assert!(numbers * size_of::<f32>() <= LARGEST_GROWTH * bytes.len());
}

/// A ZIP archive in whose directory the checksums of uncompressed entries are what their content asks for.
fn with_right_checksums(archive: &[u8]) -> Vec<u8> {
    let mut repaired = archive.to_vec();
    let entries = archive.windows(4).enumerate().filter(|(_, mark)| *mark == b"PK\x01\x02");
    for (entry, _) in entries {
        let number = |at: usize, bytes: usize| -> Option<usize> {
            let digits = archive.get(at..at + bytes)?.iter().rev();
            Some(digits.fold(0, |number, digit| number << 8 | usize::from(*digit)))
        };
        let content = || {
            let (size, header) = (number(entry + 20, 4)?, number(entry + 42, 4)?);
            let begin = header + 30 + number(header + 26, 2)? + number(header + 28, 2)?;
            archive.get(begin..begin + size)
        };
        if number(entry + 10, 2) == Some(0)
            && let Some(content) = content()
        {
            repaired[entry + 16..entry + 20].copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        }
    }
    repaired
}
