//! The body of `/step`, read in one pass where it has the form that clients write.
//!
//! Two images of 256×256 are 400 000 numbers, for which `serde_json` takes three milliseconds, and a scanner that knows what must come next
//! takes one. It understands no more than that form; whatever else comes, right or wrong, is `serde_json`'s.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Deserializer;

use super::body::json_body;
use super::nested::Nested;
use super::states::States;
use crate::failure::Failure;

/// What `/step` is asked with.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct StepBody {
    /// `[previous, current]`
    pub(super) image: [Nested; 2],
    pub(super) task_description: Option<String>,
    pub(super) state: Option<States>,
}

impl StepBody {
    /// Reads a body.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Failure> {
        match quickly(bytes) {
            Some(body) => Ok(body),
            None => json_body(bytes, &["image"]),
        }
    }
}

/// The body, if it is an object of these fields with images of equal rows and whole levels.
fn quickly(bytes: &[u8]) -> Option<StepBody> {
    let mut scanner = Scanner { rest: bytes };
    let (mut image, mut task_description, mut state) = (None, None, None);
    scanner.expect(b'{')?;
    loop {
        match scanner.value::<String>()?.as_str() {
            "image" if image.is_none() => {
                scanner.colon()?;
                image = Some(scanner.images()?);
            }
            "task_description" if task_description.is_none() => {
                scanner.colon()?;
                task_description = Some(scanner.value::<Option<String>>()?);
            }
            "state" if state.is_none() => {
                scanner.colon()?;
                state = Some(scanner.value::<Option<States>>()?);
            }
            _ => return None,
        }
        if !scanner.more(b'}')? {
            break;
        }
    }
    let body = StepBody { image: image?, task_description: task_description.flatten(), state: state.flatten() };
    scanner.rest.is_empty().then_some(body)
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn expect(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == byte).then_some(())
    }

    fn skip_space(&mut self) {
        if let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn colon(&mut self) -> Option<()> {
        self.expect(b':')?;
        self.skip_space();
        Some(())
    }

    /// Whether a comma comes; if not, `end` does.
    fn more(&mut self, end: u8) -> Option<bool> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match *first {
            b',' => {
                self.skip_space();
                Some(true)
            }
            other => (other == end).then_some(false),
        }
    }

    /// What is small, by the library.
    fn value<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut values = Deserializer::from_slice(self.rest).into_iter::<T>();
        let value = values.next()?.ok()?;
        self.rest = self.rest.get(values.byte_offset()..)?;
        Some(value)
    }

    fn images(&mut self) -> Option<[Nested; 2]> {
        self.expect(b'[')?;
        let previous = self.image()?;
        self.more(b']')?.then_some(())?;
        let current = self.image()?;
        self.expect(b']')?;
        Some([previous, current])
    }

    fn image(&mut self) -> Option<Nested> {
        // A level takes at least two bytes, and both images are there.
        let mut levels = Vec::with_capacity(self.rest.len() / 4);
        let (mut height, mut width) = (0, 0);
        self.expect(b'[')?;
        loop {
            let before = levels.len();
            self.row(&mut levels)?;
            let found = (levels.len() - before) / 3;
            if height > 0 && found != width {
                return None;
            }
            (height, width) = (height + 1, found);
            if !self.more(b']')? {
                return Some(Nested { height, width, levels });
            }
        }
    }

    fn row(&mut self, levels: &mut Vec<u8>) -> Option<()> {
        self.expect(b'[')?;
        loop {
            self.expect(b'[')?;
            let red = self.level()?;
            self.more(b']')?.then_some(())?;
            let green = self.level()?;
            self.more(b']')?.then_some(())?;
            levels.extend([red, green, self.level()?]);
            if self.more(b']')? {
                return None;
            }
            if !self.more(b']')? {
                return Some(());
            }
        }
    }

    /// A whole number from 0 to 255 as JSON has it, without zeros before it.
    fn level(&mut self) -> Option<u8> {
        let digit = |at: usize| {
            let value = self.rest.get(at)?.wrapping_sub(b'0');
            (value < 10).then_some(u16::from(value))
        };
        let first = digit(0)?;
        let (level, digits) = match digit(1) {
            None => (first, 1),
            Some(second) => match digit(2) {
                None => (first * 10 + second, 2),
                Some(third) => (first * 100 + second * 10 + third, 3),
            },
        };
        // A fourth digit is not what must come next.
        self.rest = self.rest.get(digits..)?;
        if digits > 1 && first == 0 { None } else { u8::try_from(level).ok() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slowly(text: &str) -> Option<StepBody> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn what_clients_write_is_read_quickly() {
        let compact =
            r#"{"image":[[[[0,10,255]],[[7,8,9]]],[[[1,2,3],[4,5,6]]]],"task_description":"put \"it\" there"}"#;
        let spaced = r#"{"task_description": null, "image": [[[[0, 10, 255]]], [[[1, 2, 3]]]]}"#;
        let with_state = r#"{"image":[[[[1,2,3]]],[[[1,2,3]]]],"state":[[0.5,1],[2,-3e-1]]}"#;
        for text in [compact, spaced, with_state, r#"{"image":[[[[1,2,3]]],[[[1,2,3]]]]}"#] {
            let quick = quickly(text.as_bytes());
            assert!(quick.is_some(), "{text}");
            assert_eq!(quick, slowly(text), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_to_the_library() {
        let image = "[[[1,2,3]]]";
        for text in [
            format!(r#"{{"image":[{image}]}}"#),
            format!(r#"{{"image":[{image},{image},{image}]}}"#),
            format!(r#"{{"image":[{image},[[[1,2]]]]}}"#),
            format!(r#"{{"image":[{image},[[[1,2,3,4]]]]}}"#),
            format!(r#"{{"image":[{image},[[[1,2,256]]]]}}"#),
            format!(r#"{{"image":[{image},[[[1,2,03]]]]}}"#),
            format!(r#"{{"image":[{image},[[[1,2,-3]]]]}}"#),
            format!(r#"{{"image":[{image},[[[1,2,3]],[]]]}}"#),
            format!(r#"{{"image":[{image},{image}],"other":1}}"#),
            format!(r#"{{"image":[{image},{image}],"image":[{image},{image}]}}"#),
            format!(r#"{{"image":[{image},{image},,"state":null}}"#),
            format!(r#"{{"image":[{image},{image}]}} x"#),
            format!(r#"{{"image":[{image},{image}]"#),
            r#"{"task_description":"x"}"#.to_owned(),
            String::new(),
        ] {
            assert_eq!(quickly(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        /// Whatever is read quickly is read the same slowly, also when a byte of it is another.
        #[test]
        fn quick_and_slow_agree(
            images in prop::collection::vec((1_usize..4, 1_usize..4, any::<u8>()), 2),
            task in prop::option::of(".{0,8}"),
            state in prop::option::of(prop::collection::vec(-1e9_f64..1e9, 0..3)),
            at in any::<prop::sample::Index>(),
            byte in prop::sample::select(b"0129,[]{}\": x".to_vec()),
        ) {
            let image = |(height, width, level): (usize, usize, u8)| vec![vec![[level, 0, 255]; width]; height];
            let body = serde_json::json!({ "image": images.into_iter().map(image).collect::<Vec<_>>(), "task_description": task, "state": state });
            let mut text = body.to_string();
            prop_assert_eq!(quickly(text.as_bytes()), slowly(&text));
            let at = at.index(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                text.replace_range(at..=at, &char::from(byte).to_string());
                if let Some(quick) = quickly(text.as_bytes()) {
                    prop_assert_eq!(Some(quick), slowly(&text));
                }
            }
        }
    }
}
