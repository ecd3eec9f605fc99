//! Pictures, sounds, films and files. The server demands more of them than callers must give: a medium
//! that lacks it is not shaped here, and people get its address.

use std::borrow::Cow;

use interline_core::content::{Audio, File, Image, Video};

use crate::content::Shaped;
use crate::wire::{FileElem, Payload, PictureBase, PictureElem, SoundElem, VideoElem};

const PICTURE: u32 = 102;
const SOUND: u32 = 103;
const VIDEO: u32 = 104;
const FILE: u32 = 105;

/// The server wants three variants, each with type, width, height and address. One picture fills them:
/// the thumbnail stands as the small variant, with the picture's own size for its proportions.
pub(crate) fn picture(image: &Image) -> Option<Shaped<'_>> {
    let base = PictureBase {
        kind: mime("image", image.format.as_deref(), [image.name.as_deref(), Some(&image.url)]),
        size: image.size.unwrap_or_default(),
        width: pixels(image.width)?,
        height: pixels(image.height)?,
        url: &image.url,
    };
    let small = image.thumbnail_url.as_deref().filter(|url| !url.is_empty());
    let snapshot = match small {
        Some(url) => PictureBase {
            kind: mime("image", None, [Some(url), Some(&image.url)]),
            size: 0,
            url,
            ..base.clone()
        },
        None => base.clone(),
    };
    let element = PictureElem { source_picture: base.clone(), big_picture: base, snapshot_picture: snapshot };
    let shaped = Shaped::of(PICTURE, Payload::Picture(Box::new(element)));
    Some(shaped.losing("content.md5", image.md5.is_some()).losing("content.name", image.name.is_some()))
}

/// Durations are whole seconds, at least one: they are rounded up.
const fn seconds(milliseconds: u64) -> u64 {
    let whole = milliseconds.div_ceil(1_000);
    if whole == 0 { 1 } else { whole }
}

pub(crate) fn sound(audio: &Audio) -> Shaped<'_> {
    let element = SoundElem {
        source_url: &audio.url,
        duration: seconds(audio.duration_ms),
        data_size: audio.size.unwrap_or_default(),
        sound_type: audio.format.as_deref(),
    };
    Shaped::of(SOUND, Payload::Sound(element))
        .losing("content.md5", audio.md5.is_some())
        .losing("content.name", audio.name.is_some())
}

pub(crate) fn film(video: &Video) -> Option<Shaped<'_>> {
    let element = VideoElem {
        video_url: &video.url,
        video_type: mime("video", video.format.as_deref(), [video.name.as_deref(), Some(&video.url)]),
        video_size: video.size.filter(|size| *size > 0)?,
        duration: seconds(video.duration_ms?),
        snapshot_url: video.thumbnail_url.as_deref().filter(|url| !url.is_empty())?,
        snapshot_width: pixels(video.width)?,
        snapshot_height: pixels(video.height)?,
    };
    let shaped = Shaped::of(VIDEO, Payload::Video(Box::new(element)));
    Some(shaped.losing("content.md5", video.md5.is_some()).losing("content.name", video.name.is_some()))
}

pub(crate) fn attachment(file: &File) -> Option<Shaped<'_>> {
    let element = FileElem {
        source_url: &file.url,
        file_name: &file.name,
        file_size: file.size.filter(|size| *size > 0)?,
        file_type: file.mime.as_deref().or(file.format.as_deref()),
    };
    let shaped = Shaped::of(FILE, Payload::File(element)).losing("content.md5", file.md5.is_some());
    Some(shaped.losing("content.format", file.mime.is_some() && file.format.is_some()))
}

fn pixels(size: Option<u32>) -> Option<u32> {
    size.filter(|size| *size > 0 && i32::try_from(*size).is_ok())
}

/// The media type: as given, else from a name's ending, else any of its family.
fn mime<'a>(family: &str, given: Option<&'a str>, names: [Option<&'a str>; 2]) -> Cow<'a, str> {
    let given = given.filter(|given| !given.is_empty());
    if let Some(whole) = given.filter(|given| given.contains('/')) {
        return Cow::Borrowed(whole);
    }
    let ending = given.or_else(|| names.into_iter().flatten().find_map(ending));
    let ending = ending.map(str::to_ascii_lowercase);
    Cow::Owned(match ending.as_deref() {
        Some("jpg") => format!("{family}/jpeg"),
        Some(ending) => format!("{family}/{ending}"),
        None => format!("{family}/*"),
    })
}

fn ending(name: &str) -> Option<&str> {
    let path = name.split(['?', '#']).next()?;
    let path =
        path.split_once("://").map_or(Some(path), |(_, rest)| rest.split_once('/').map(|(_, path)| path))?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    let plain = (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then_some(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_come_from_the_ending_or_stay_open() {
        let kind = |given, name, url| mime("image", given, [name, Some(url)]).into_owned();
        assert_eq!(kind(Some("image/gif"), None, "u"), "image/gif");
        assert_eq!(kind(Some("JPG"), None, "u.png"), "image/jpeg");
        assert_eq!(kind(None, Some("a.webp"), "u.png"), "image/webp");
        assert_eq!(kind(None, None, "https://x.com/p.png?v=1.5#a"), "image/png");
        for open in ["https://x.com", "https://x.com/p", "https://x.com/v1.0/p", "p.", "p.waytoolong"] {
            assert_eq!(kind(None, None, open), "image/*", "{open}");
        }
    }
}
