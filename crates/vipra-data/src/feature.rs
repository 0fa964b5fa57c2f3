//! What a dataset declares about a feature: type, shape, names.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The features of a dataset, in the order of its metadata.
pub type Features = IndexMap<String, Feature>;

/// One feature, as under `features` of LeRobot's `meta/info.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "AsWritten")]
pub struct Feature {
    /// Type of one element, or how pictures are stored.
    pub dtype: DType,
    /// Without a time axis.
    pub shape: Vec<usize>,
    /// Names of the dimensions; six forms occur in public data, see [`Feature::dimension_names`].
    pub names: Value,
    /// Frames a second, where the feature says it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Facts about the video stream (`video.codec`, `video.pix_fmt`, …); `video_info` in older files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<serde_json::Map<String, Value>>,
}

/// A feature with both names of its facts: lerobot's tools write `info` beside the `video_info` of an older dataset.
#[derive(Deserialize)]
struct AsWritten {
    dtype: DType,
    shape: Vec<usize>,
    #[serde(default)]
    names: Value,
    #[serde(default)]
    fps: Option<f64>,
    #[serde(default)]
    info: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    video_info: Option<serde_json::Map<String, Value>>,
}

impl From<AsWritten> for Feature {
    fn from(written: AsWritten) -> Self {
        let AsWritten { dtype, shape, names, fps, info, video_info } = written;
        let info = match (video_info, info) {
            // What `info` says counts.
            (Some(mut older), Some(newer)) => {
                older.extend(newer);
                Some(older)
            }
            (older, newer) => newer.or(older),
        };
        Feature { dtype, shape, names, fps, info }
    }
}

/// The element types that LeRobot metadata names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum DType {
    Video,
    Image,
    String,
    Language,
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Float16,
    Float32,
    Float64,
    /// None that is known, in the spelling of the metadata. It is a fault only for whoever wants such values.
    #[serde(untagged)]
    Other(String),
}

impl DType {
    /// Whether values of this type are pictures.
    pub fn is_camera(&self) -> bool {
        matches!(self, DType::Video | DType::Image)
    }

    /// Whether statistics of such values make sense.
    pub fn is_numeric(&self) -> bool {
        self.has_rows() && *self != DType::String
    }

    /// Whether such values are read as columns of [`Rows`](crate::Rows): numbers and texts.
    pub fn has_rows(&self) -> bool {
        !matches!(self, DType::Video | DType::Image | DType::Language | DType::Other(_))
    }

    /// The spelling of the metadata.
    pub fn as_str(&self) -> &str {
        match self {
            DType::Video => "video",
            DType::Image => "image",
            DType::String => "string",
            DType::Language => "language",
            DType::Bool => "bool",
            DType::Int8 => "int8",
            DType::Int16 => "int16",
            DType::Int32 => "int32",
            DType::Int64 => "int64",
            DType::Uint8 => "uint8",
            DType::Uint16 => "uint16",
            DType::Uint32 => "uint32",
            DType::Uint64 => "uint64",
            DType::Float16 => "float16",
            DType::Float32 => "float32",
            DType::Float64 => "float64",
            DType::Other(name) => name,
        }
    }
}

impl Feature {
    /// A numeric feature with named dimensions.
    pub fn numeric(dtype: DType, names: &[&str]) -> Self {
        Feature { dtype, shape: vec![names.len()], names: names.into(), fps: None, info: None }
    }

    /// A camera whose pictures are stored as `dtype`.
    pub fn camera(dtype: DType, width: usize, height: usize) -> Self {
        let names = Value::from(vec!["height", "width", "channels"]);
        Feature { dtype, shape: vec![height, width, 3], names, fps: None, info: None }
    }

    /// Values a row: the product of the shape (1 for an empty shape).
    pub fn width(&self) -> usize {
        self.shape.iter().product()
    }

    /// One name a dimension of a numeric feature: the declared ones, if there are as many as values in a row,
    /// `0`, `1`, … otherwise.
    pub fn dimension_names(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect_names(&self.names, &mut found);
        if found.len() == self.width() { found } else { (0..self.width()).map(|i| i.to_string()).collect() }
    }

    /// Width and height in pixels of a camera. The axes are told apart by name, since both `[H, W, C]` and `[C, H, W]`
    /// are in use; without names the axis of size 3 (or 1) is the channel.
    pub fn picture_size(&self) -> Option<(usize, usize)> {
        let [a, b, c] = self.shape[..] else { return None };
        let mut names = Vec::new();
        collect_names(&self.names, &mut names);
        let axis = |wanted: &str| names.iter().position(|name| name == wanted);
        if let (Some(height), Some(width)) = (axis("height"), axis("width")) {
            return Some((*self.shape.get(width)?, *self.shape.get(height)?));
        }
        if matches!(c, 1 | 3) { Some((b, a)) } else { Some((c, b)) }
    }

    /// A text of the video's facts, such as `codec`; both spellings of the key are looked up.
    pub fn video_fact(&self, name: &str) -> Option<&Value> {
        let info = self.info.as_ref()?;
        info.get(&format!("video.{name}")).or_else(|| info.get(name))
    }

    /// Whether the video holds distances and not colours.
    pub fn is_depth(&self) -> bool {
        self.video_fact("is_depth_map").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// Flattens `null`, a string, a list, a nested list, `{"motors": [...]}` and `{"axes": null}`.
fn collect_names(names: &Value, found: &mut Vec<String>) {
    match names {
        Value::String(name) => found.push(name.clone()),
        Value::Array(list) => list.iter().for_each(|entry| collect_names(entry, found)),
        Value::Object(map) => map.values().for_each(|entry| collect_names(entry, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn feature(shape: &[usize], names: Value) -> Feature {
        Feature { dtype: DType::Float32, shape: shape.to_vec(), names, fps: None, info: None }
    }

    #[test]
    fn names_are_found_in_every_form() {
        for names in [json!(["x", "y"]), json!([["x", "y"]]), json!({"motors": ["x", "y"]}), json!([["x"], ["y"]])] {
            assert_eq!(feature(&[2], names).dimension_names(), ["x", "y"]);
        }
        for names in [json!(null), json!({"axes": null}), json!("x")] {
            assert_eq!(feature(&[2], names).dimension_names(), ["0", "1"]);
        }
        assert_eq!(feature(&[1], json!("x")).dimension_names(), ["x"]);
    }

    #[test]
    fn facts_are_found_under_both_of_their_names() {
        let read = |facts: Value| {
            let mut feature = json!({"dtype": "video", "shape": [64, 96, 3]});
            feature.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
            serde_json::from_value::<Feature>(feature).unwrap()
        };
        let old = json!({"video.codec": "av1", "video.fps": 5});
        for (info, codec) in [(json!({}), "av1"), (json!({"video.codec": "h264"}), "h264"), (Value::Null, "av1")] {
            let feature = read(json!({"info": info, "video_info": old}));
            assert_eq!(feature.video_fact("codec"), Some(&json!(codec)));
            assert_eq!(feature.video_fact("fps"), Some(&json!(5)));
            // And it is written under one of them.
            let written = serde_json::to_value(&feature).unwrap();
            assert!(written.get("video_info").is_none() && written["info"]["video.fps"] == 5);
            assert_eq!(serde_json::from_value::<Feature>(written).unwrap(), feature);
        }
        assert_eq!(read(json!({"video_info": old})).video_fact("codec"), Some(&json!("av1")));
        assert_eq!(read(json!({})).info, None);
    }

    #[test]
    fn a_type_that_is_not_known_keeps_its_name() {
        let read = |name: &str| serde_json::from_value::<DType>(json!(name)).unwrap();
        assert_eq!(read("float32"), DType::Float32);
        let other = read("float");
        assert_eq!((&other, other.as_str()), (&DType::Other("float".into()), "float"));
        assert!(!other.is_numeric() && !other.is_camera() && !other.has_rows());
        assert_eq!(serde_json::to_value(other).unwrap(), "float");
        assert!(serde_json::from_value::<DType>(json!(["float32"])).is_err());
    }

    #[test]
    fn picture_axes_are_told_apart_by_name() {
        let size = |shape: &[usize], names| feature(shape, names).picture_size();
        assert_eq!(size(&[64, 96, 3], json!(["height", "width", "channels"])), Some((96, 64)));
        assert_eq!(size(&[3, 64, 96], json!(["channels", "height", "width"])), Some((96, 64)));
        assert_eq!(size(&[3, 64, 3], json!(["channel", "height", "width"])), Some((3, 64)));
        assert_eq!(size(&[64, 96, 3], json!(null)), Some((96, 64)));
        assert_eq!(size(&[3, 64, 96], json!(null)), Some((96, 64)));
        assert_eq!(size(&[64, 96], json!(null)), None);
    }
}
