//! Pictures within the page.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::{ImageFormat, ImageReader};
use maud::{Markup, html};

/// What is wrong with a picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("reading a picture: {source}: {path}")]
    Io {
        /// What the system says.
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// It is none, or none that a page can show.
    #[error("no PNG, GIF or JPEG: {}", .path.as_ref().map_or("in memory".to_owned(), |path| path.display().to_string()))]
    Unknown {
        /// The file, where there is one.
        path: Option<PathBuf>,
    },
}

/// A picture file in memory: PNG, JPEG, or a GIF that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    media_type: &'static str,
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

impl Picture {
    /// Looks at what a picture is; a page must not show a broken one.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, Error> {
        let unknown = || Error::Unknown { path: None };
        let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format().map_err(|_| unknown())?;
        let media_type = match reader.format() {
            Some(ImageFormat::Png) => "image/png",
            Some(ImageFormat::Gif) => "image/gif",
            Some(ImageFormat::Jpeg) => "image/jpeg",
            _ => return Err(unknown()),
        };
        let (width, height) = reader.into_dimensions().map_err(|_| unknown())?;
        Ok(Self { media_type, width, height, bytes })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Unknown`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Io { source, path: path.to_path_buf() })?;
        Self::new(bytes).map_err(|_| Error::Unknown { path: Some(path.to_path_buf()) })
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The picture as wide as its place.
    pub fn to_image(&self, alt: &str) -> Markup {
        html! { img alt=(alt) width=(self.width) height=(self.height) src=(self.data_url()); }
    }

    /// A strip of frames: never smaller than it is, for on a phone it would be too small to see, but scrolled; up to twice as
    /// large where there is room.
    pub fn to_strip(&self, alt: &str) -> Markup {
        let size = format!("width:min(100%,{}px);min-width:{}px", 2 * self.width, self.width);
        html! {
            div.scroll tabindex="0" {
                img alt=(alt) width=(self.width) height=(self.height) style=(size) src=(self.data_url());
            }
        }
    }

    fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, BASE64_STANDARD.encode(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Picture};

    #[test]
    fn a_picture_says_what_it_is() {
        let mut png = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(3, 2).write_to(&mut png, image::ImageFormat::Png).unwrap();
        let picture = Picture::new(png.into_inner()).unwrap();
        let shown = picture.to_image("a < b").into_string();
        assert!(shown.contains(r#"alt="a &lt; b" width="3" height="2" src="data:image/png;base64,iVBOR"#), "{shown}");
        assert!(picture.to_strip("").into_string().contains("min-width:3px"));
    }

    #[test]
    fn what_is_no_picture_is_refused_by_name() {
        assert!(matches!(Picture::new(b"GIF".to_vec()), Err(Error::Unknown { path: None })));
        let missing = Picture::read("nowhere.png".as_ref()).unwrap_err().to_string();
        assert!(missing.starts_with("reading a picture") && missing.ends_with("nowhere.png"), "{missing}");
    }
}
