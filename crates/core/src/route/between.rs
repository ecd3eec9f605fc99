//! Times in which a route takes messages: windows of the day in some zone, and intervals with a date.
//! What a zone's name means is looked up once, by whoever reads the configuration.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// What may be written, for error messages.
pub const FORMS: &str = "a window of the day like \"09:00-18:00\", \"22:00-06:00 Asia/Shanghai\" or \
     \"09:00-18:00 +08:00\" (UTC where no zone stands), or an interval like \
     \"2026-12-24T00:00:00Z/2026-12-27T00:00:00Z\"";

/// Windows of which one has to hold; none at all always holds.
#[derive(Debug, Clone, Default)]
pub struct Between(pub Vec<Window>);

impl Between {
    /// Whether the time is in one of the windows, or there are none. Unix milliseconds.
    #[must_use]
    pub fn holds(&self, now_ms: i64) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.holds(now_ms))
    }
}

/// A span of time, its begin included and its end not.
#[derive(Debug, Clone)]
pub struct Window {
    written: String,
    span: Span,
}

#[derive(Debug, Clone)]
enum Span {
    /// Minutes of the day in a zone; over midnight where the end is not after the begin.
    Daily(u16, u16, TimeZone),
    /// Unix milliseconds.
    Once(i64, i64),
}

impl Window {
    /// Reads a window; `zone` knows what the names of time zones mean.
    ///
    /// # Errors
    /// What is wrong with the text, and what is allowed.
    pub fn read(text: &str, zone: impl Fn(&str) -> Option<TimeZone>) -> Result<Self, String> {
        let text = text.trim();
        let span = match text.split_once('/') {
            // The name of a zone holds a slash too, behind a blank.
            Some((begin, end)) if !begin.contains(' ') => interval(begin, end)?,
            Some(_) | None => daily(text, zone)?,
        };
        Ok(Self { written: text.to_owned(), span })
    }

    /// Whether the time is in the window. Unix milliseconds.
    #[must_use]
    pub fn holds(&self, now_ms: i64) -> bool {
        match &self.span {
            Span::Once(begin, end) => (*begin..*end).contains(&now_ms),
            Span::Daily(begin, end, zone) => {
                let Ok(now) = Timestamp::from_millisecond(now_ms) else { return false };
                let local = zone.to_datetime(now);
                let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()));
                let Ok(minute) = minute else { return false };
                if begin < end { (*begin..*end).contains(&minute) } else { minute >= *begin || minute < *end }
            }
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn interval(begin: &str, end: &str) -> Result<Span, String> {
    let time = |text: &str| {
        text.parse::<Timestamp>()
            .map(Timestamp::as_millisecond)
            .map_err(|_| format!("{text:?} is no time with a zone; write {FORMS}"))
    };
    let (begin_ms, end_ms) = (time(begin)?, time(end)?);
    if begin_ms >= end_ms {
        return Err(format!("{end:?} is not after {begin:?}: the interval holds no time"));
    }
    Ok(Span::Once(begin_ms, end_ms))
}

fn daily(text: &str, zone: impl Fn(&str) -> Option<TimeZone>) -> Result<Span, String> {
    let (window, name) = text.split_once(' ').map_or((text, None), |(window, name)| (window, Some(name)));
    let wrong = || format!("{text:?} is no window of time; write {FORMS}");
    let (begin, end) = window.split_once('-').ok_or_else(wrong)?;
    let begin = minute(begin).filter(|minute| *minute < DAY).ok_or_else(wrong)?;
    let end = minute(end).ok_or_else(wrong)?;
    if begin == end {
        return Err(format!("{text:?} ends when it begins; for the whole day leave `between` out"));
    }
    let zone = match name.map(str::trim) {
        None | Some("UTC" | "Z") => TimeZone::UTC,
        Some(name) if name.starts_with(['+', '-']) => TimeZone::fixed(offset(name).ok_or_else(wrong)?),
        Some(name) => zone(name).ok_or_else(|| format!("{name:?} is no time zone; write {FORMS}"))?,
    };
    Ok(Span::Daily(begin, end, zone))
}

/// Minutes since midnight of `HH:MM`, up to 24:00.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY).then_some(all)
}

/// `+HH:MM` or `-HH:MM`.
fn offset(text: &str) -> Option<Offset> {
    let east = text.starts_with('+');
    let minutes = i32::from(minute(text.get(1..)?)?);
    Offset::from_seconds(if east { minutes * 60 } else { -minutes * 60 }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zone eight hours east, whatever its name.
    fn read(text: &str) -> Result<Window, String> {
        let east = |name: &str| {
            (name == "Asia/Shanghai").then(|| TimeZone::fixed(Offset::from_seconds(8 * 3600).unwrap()))
        };
        Window::read(text, east)
    }

    fn at(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_window_holds_from_its_begin_to_just_before_its_end() {
        for (window, holds, not) in [
            ("09:00-18:00", ["09:00:00", "17:59:59"], ["08:59:59", "18:00:00"]),
            ("22:30-06:00", ["22:30:00", "05:59:59"], ["06:00:00", "22:29:59"]),
            ("18:00-24:00", ["18:00:00", "23:59:59"], ["00:00:00", "17:59:59"]),
            ("09:00-18:00 Asia/Shanghai", ["01:00:00", "09:59:59"], ["00:59:59", "10:00:00"]),
            ("09:00-18:00 +08:00", ["01:00:00", "09:59:59"], ["00:59:59", "10:00:00"]),
            ("20:00-04:00 -05:30", ["01:30:00", "09:29:59"], ["01:29:59", "09:30:00"]),
        ] {
            let found = read(window).unwrap();
            for time in holds {
                assert!(found.holds(at(&format!("2026-03-29T{time}Z"))), "{window} at {time}");
            }
            for time in not {
                assert!(!found.holds(at(&format!("2026-03-29T{time}Z"))), "{window} at {time}");
            }
        }
    }

    #[test]
    fn an_interval_holds_once() {
        let window = read("2026-12-24T00:00:00Z/2026-12-27T00:00:00+08:00").unwrap();
        assert!(window.holds(at("2026-12-24T00:00:00Z")) && window.holds(at("2026-12-26T15:59:59Z")));
        assert!(!window.holds(at("2026-12-23T23:59:59Z")) && !window.holds(at("2026-12-26T16:00:00Z")));
    }

    #[test]
    fn of_a_list_one_is_enough_and_an_empty_one_always_holds() {
        let list = Between(vec![read("01:00-02:00").unwrap(), read("03:00-04:00").unwrap()]);
        let hour = |hour: i64| list.holds(hour * 3_600_000);
        assert_eq!([hour(1), hour(2), hour(3)], [true, false, true]);
        assert!(Between::default().holds(0));
    }

    #[test]
    fn wrong_windows_say_what_is_allowed() {
        for text in [
            "",
            "9:00-18:00",
            "09:00",
            "09:60-10:00",
            "24:00-01:00",
            "09:00-25:00",
            "09:00-09:00",
            "09:00-10:00 Mars/Base",
            "09:00-10:00 +8",
            "2026-12-24/2026-12-25",
            "2026-12-24T00:00:00Z/2026-12-24T00:00:00Z",
        ] {
            assert!(read(text).is_err_and(|why| why.len() > 20), "{text}");
        }
    }
}
