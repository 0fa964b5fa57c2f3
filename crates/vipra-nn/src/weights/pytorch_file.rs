//! Checkpoints of PyTorch.

use std::path::Path;

use burn::tensor::{bf16, f16};
use pytorch_reader::{DType, PytorchError, PytorchReader, Tensor};

use super::read::READING;
use super::store::{Stored, Values, Weights, widen};
use crate::{Error, Result};

/// Under which a training loop keeps the model's state, the first that fits (reference 3).
const STATE_KEYS: [&str; 3] = ["model", "module", "state_dict"];

/// How many times larger than the file its tensors may be. Shared storages are written once and read for each name, so
/// an honest checkpoint is a little larger in memory; a file that claims more asks for the machine's memory.
const LARGEST_GROWTH: u64 = 16;

impl Weights {
    /// Reads a checkpoint of PyTorch (`.pt`, `.pth`): the archive of today and the older formats. The state may lie
    /// under "model", "module" or "state_dict", or be all there is. Types are kept as
    /// [`read_safetensors`](Self::read_safetensors) keeps them.
    ///
    /// Nothing in the file is executed: objects that are no tensors are passed over.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Pytorch`].
    pub fn read_pytorch(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|error| Error::io(READING, path, error))?.len();
        let tensors = open(path)?.into_tensors();
        let fault = |reason: String| Error::Pytorch { reason, path: path.to_path_buf() };
        if tensors.is_empty() {
            return Err(fault("it holds no tensors".to_owned()));
        }
        let claimed = tensors.values().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.byte_len() as u64));
        if claimed > size.saturating_mul(LARGEST_GROWTH) {
            return Err(fault(format!("its tensors would take {claimed} bytes, the file has {size}")));
        }
        let mut weights = Self::new(path.display().to_string());
        for (name, tensor) in tensors {
            let values = values(&tensor).map_err(|error| from_system(path, error))?;
            weights.tensors.insert(name, Stored { shape: tensor.shape().to_vec(), values });
        }
        Ok(weights)
    }
}

fn open(path: &Path) -> Result<PytorchReader> {
    for key in STATE_KEYS {
        // A key that holds something else than a dictionary, or none with tensors, is not where the state lies.
        if let Ok(reader) = PytorchReader::with_top_level_key(path, key)
            && !reader.is_empty()
        {
            return Ok(reader);
        }
    }
    PytorchReader::new(path).map_err(|error| match error {
        PytorchError::Io(error) => from_system(path, error),
        other => Error::Pytorch { reason: other.to_string(), path: path.to_path_buf() },
    })
}

/// The reader reports damage as errors of input, as the operating system does its own.
fn from_system(path: &Path, error: std::io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => Error::io(READING, path, error),
        None => Error::Pytorch { reason: error.to_string(), path: path.to_path_buf() },
    }
}

/// Values row by row, whatever the layout in the file; the reader gives bytes in the machine's order.
fn values(tensor: &Tensor) -> std::io::Result<Values> {
    Ok(match tensor.dtype() {
        DType::F32 => Values::Float(widen(&tensor.read()?, f32::from_ne_bytes)),
        DType::F16 => Values::Float(widen(&tensor.read()?, |bytes| f16::from_ne_bytes(bytes).to_f32())),
        DType::BF16 => Values::Float(widen(&tensor.read()?, |bytes| bf16::from_ne_bytes(bytes).to_f32())),
        other => Values::Other(format!("{other:?}")),
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use burn::module::Module;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;
    use proptest::prelude::*;

    use super::super::store::{Values, Weights};
    use crate::Error;
    use crate::weights::{Names, load};

    /// Made by PyTorch itself, by the script that lies there.
    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pytorch").join(name)
    }

    fn floats<'a>(weights: &'a Weights, name: &str) -> (&'a [usize], &'a [f32]) {
        let stored = &weights.tensors[name];
        match &stored.values {
            Values::Float(values) => (&stored.shape, values),
            Values::Other(dtype) => panic!("{name} is {dtype}"),
        }
    }

    fn quarters(count: u16) -> Vec<f32> {
        (0..count).map(|number| f32::from(number) / 4.0).collect()
    }

    #[test]
    fn layouts_and_types_are_read_from_today_and_from_before() {
        for name in ["bare.pt", "legacy.pt"] {
            let weights = Weights::read_pytorch(&fixture(name)).unwrap();
            assert_eq!(weights.tensors.len(), 10, "{name}");
            assert_eq!(floats(&weights, "layer.weight"), (&[3, 4][..], &quarters(12)[..]));
            let turned = [0.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0].map(|number| number / 4.0);
            assert_eq!(floats(&weights, "layer.turned"), (&[4, 3][..], &turned[..]));
            let part = [4.0, 6.0, 8.0, 10.0].map(|number| number / 4.0);
            assert_eq!(floats(&weights, "layer.part"), (&[2, 2][..], &part[..]));
            assert_eq!(floats(&weights, "layer.half"), (&[5][..], &quarters(5)[..]));
            assert_eq!(floats(&weights, "layer.brain"), (&[5][..], &quarters(5)[..]));
            assert_eq!(floats(&weights, "scale"), (&[][..], &[0.25][..]));
            assert_eq!(floats(&weights, "empty"), (&[0, 2][..], &[][..]));
            for (name, expected) in [("layer.double", "F64"), ("layer.counter", "I64"), ("layer.mask", "Bool")] {
                assert!(matches!(&weights.tensors[name].values, Values::Other(dtype) if dtype == expected), "{name}");
            }
        }
    }

    #[test]
    fn the_state_is_found_where_training_loops_keep_it() {
        let names = |name: &str| {
            let weights = Weights::read_pytorch(&fixture(name)).unwrap();
            weights.names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(names("model.pt"), ["layer.weight", "lpips.net.slice1.0.weight"], "not the optimiser's");
        assert_eq!(names("module.pt"), ["layer.weight"]);
        assert_eq!(names("state_dict.pt"), ["weight"], "the name of a model is not its state");
    }

    #[derive(Module, Debug)]
    struct Model {
        layer: Linear,
    }

    #[test]
    fn networks_beside_the_model_are_ignored_where_the_names_say_so() {
        let weights = Weights::read_pytorch(&fixture("model.pt")).unwrap();
        let model = || Model { layer: LinearConfig::new(3, 2).with_bias(false).init(&Device::flex()) };
        let model_alone = load(model(), &weights, &Names::default()).unwrap_err();
        assert!(model_alone.to_string().contains("unexpected: lpips.net.slice1.0.weight"), "{model_alone}");
        let model = load(model(), &weights, &Names::default().ignore(&["lpips"])).unwrap();
        // Turned on its way in.
        let expected = [0.0, 0.75, 0.25, 1.0, 0.5, 1.25];
        assert_eq!(model.layer.weight.val().try_into_vec_as::<f32>().unwrap(), expected);
    }

    fn refusal(path: &Path) -> String {
        match Weights::read_pytorch(path) {
            Err(error @ Error::Pytorch { .. }) => error.to_string(),
            other => panic!("{other:?}: {}", path.display()),
        }
    }

    #[test]
    fn nothing_is_executed() {
        assert!(refusal(&fixture("hostile_root.pt")).contains("dictionary"));
        let weights = Weights::read_pytorch(&fixture("hostile_entry.pt")).unwrap();
        assert_eq!(weights.names().collect::<Vec<_>>(), ["layer.weight"]);
        assert!(!Path::new("vipra-nn-executed-a-pickle").exists());
    }

    #[test]
    fn files_that_are_no_checkpoints_are_refused() {
        assert!(refusal(&fixture("expanded.pt")).contains("8589934592 bytes"));
        assert!(refusal(&fixture("no_tensors.pt")).contains("no tensors"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pt");
        // An archive with nothing in it is 22 bytes.
        let mut archive = b"PK\x05\x06".to_vec();
        archive.resize(22, 0);
        let contents: [&[u8]; 5] = [b"", b"hello", b"PK\x03\x04", &archive, b"\x80\x02}q\x00"];
        for content in contents {
            std::fs::write(&path, content).unwrap();
            refusal(&path);
        }
        assert!(matches!(Weights::read_pytorch(&folder.path().join("none")), Err(Error::Io { .. })));
        assert!(matches!(Weights::read_pytorch(folder.path()), Err(Error::Io { .. })));
    }

    #[test]
    fn cut_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pt");
        for name in ["bare.pt", "legacy.pt"] {
            let whole = std::fs::read(fixture(name)).unwrap();
            for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
                std::fs::write(&path, &whole[..length]).unwrap();
                refusal(&path);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Whatever stands in the file, the answer is weights or a named error.
        #[test]
        fn damage_never_panics(
            name in prop::sample::select(vec!["bare.pt", "legacy.pt", "model.pt", "hostile_entry.pt"]),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = std::fs::read(fixture(name)).unwrap();
            for (place, byte) in damage {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            match Weights::read_pytorch(file.path()) {
                Ok(weights) => prop_assert!(!weights.tensors.is_empty()),
                Err(error) => prop_assert!(matches!(error, Error::Pytorch { .. }), "{}", error),
            }
        }
    }
}
