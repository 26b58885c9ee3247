//! Dates and times (FEEL 1.3, 10.3.2.3.4 to 10.3.2.3.6): what Zeebe reads as one, and how it spells them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The longest offset that Java knows, in seconds.
const MAX_OFFSET: i32 = 18 * 60 * 60;

/// A time of day somewhere on earth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZonedTime {
    /// The clock there.
    pub time: Time,
    /// Against UTC; a region's standard time.
    pub offset: Offset,
    /// The region's name, where it was given by name.
    pub region: Option<Arc<str>>,
}

/// A date and a time somewhere on earth.
#[derive(Debug, Clone)]
pub struct ZonedDateTime {
    /// The moment, and the zone with its rules.
    pub at: Zoned,
    /// The region's name, where it was given by name.
    pub region: Option<Arc<str>>,
}

impl ZonedTime {
    pub(super) fn of(moment: &ZonedDateTime) -> Self {
        Self { time: moment.at.time(), offset: moment.at.offset(), region: moment.region.clone() }
    }

    /// Nanoseconds since midnight in Greenwich.
    pub(super) fn nanoseconds(&self) -> i64 {
        const SECOND: i64 = 1_000_000_000;
        let since_midnight = self.time.duration_since(Time::midnight()).as_nanos();
        i64::try_from(since_midnight).unwrap_or(0) - i64::from(self.offset.seconds()) * SECOND
    }

    pub(super) fn on(&self, date: Date) -> Option<ZonedDateTime> {
        ZonedDateTime::local(date.to_datetime(self.time), self.offset, self.region.clone())
    }
}

impl fmt::Display for ZonedTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", FeelTime(self.time), FeelZone(self.offset, self.region.as_deref()))
    }
}

impl ZonedDateTime {
    /// The clock of a region; of the offset where there is none.
    pub(super) fn local(clock: DateTime, offset: Offset, region: Option<Arc<str>>) -> Option<Self> {
        let zone = region.as_deref().map_or_else(|| Some(TimeZone::fixed(offset)), zone)?;
        Some(Self { at: zone.to_ambiguous_zoned(clock).compatible().ok()?, region })
    }

    /// A moment as Zeebe's clock gives it, in milliseconds since 1970.
    pub(super) fn now(milliseconds: i64) -> Self {
        let at = Timestamp::from_millisecond(milliseconds).unwrap_or_default();
        Self { at: at.to_zoned(zone("Etc/UTC").unwrap_or(TimeZone::UTC)), region: Some("Etc/UTC".into()) }
    }

    /// The same moment, seen in another region or at an offset such as `+02:00`.
    pub(super) fn seen_in(&self, place: &str) -> Option<Self> {
        let (zone, region) = place_zone(place)?;
        Some(Self { at: self.at.with_time_zone(zone), region })
    }

    pub(super) fn checked_add(&self, amount: SignedDuration) -> Option<Self> {
        Some(Self { at: self.at.checked_add(amount).ok()?, region: self.region.clone() })
    }

    pub(super) fn checked_add_months(&self, months: i64) -> Option<Self> {
        let span = jiff::Span::new().try_months(months).ok()?;
        Some(Self { at: self.at.checked_add(span).ok()?, region: self.region.clone() })
    }

    /// As Zeebe writes it into a variable: Java's `ZonedDateTime.toString`.
    pub(super) fn to_java(&self) -> String {
        let region = self.region.as_deref().map_or_else(String::new, |name| format!("[{name}]"));
        format!("{}{}{region}", JavaDateTime(self.at.datetime()), FeelZone(self.at.offset(), None))
    }

    fn key(&self) -> (Timestamp, DateTime, Option<&str>) {
        (self.at.timestamp(), self.at.datetime(), self.region.as_deref())
    }
}

/// Equal are the same clock at the same place, not the same moment.
impl PartialEq for ZonedDateTime {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl PartialOrd for ZonedDateTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.key().cmp(&other.key()))
    }
}

impl fmt::Display for ZonedDateTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = FeelZone(self.at.offset(), self.region.as_deref());
        write!(out, "{}T{}{zone}", JavaDate(self.at.date()), FeelTime(self.at.time()))
    }
}

/// A date as Java and FEEL spell it.
pub(super) struct JavaDate(pub Date);

impl fmt::Display for JavaDate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, year) = if self.0.year() < 0 { ("-", -self.0.year()) } else { ("", self.0.year()) };
        write!(out, "{sign}{year:04}-{:02}-{:02}", self.0.month(), self.0.day())
    }
}

/// A time as Java spells it: without seconds when there are none, and nanoseconds by threes.
pub(super) struct JavaTime(pub Time);

impl fmt::Display for JavaTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:02}:{:02}", self.0.hour(), self.0.minute())?;
        let nanoseconds = self.0.subsec_nanosecond();
        if self.0.second() > 0 || nanoseconds > 0 {
            write!(out, ":{:02}", self.0.second())?;
        }
        match nanoseconds {
            0 => Ok(()),
            _ if nanoseconds % 1_000_000 == 0 => write!(out, ".{:03}", nanoseconds / 1_000_000),
            _ if nanoseconds % 1_000 == 0 => write!(out, ".{:06}", nanoseconds / 1_000),
            _ => write!(out, ".{nanoseconds:09}"),
        }
    }
}

/// A date and time as Java spells it.
pub(super) struct JavaDateTime(pub DateTime);

impl fmt::Display for JavaDateTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}T{}", JavaDate(self.0.date()), JavaTime(self.0.time()))
    }
}

/// A time as FEEL spells it: always with seconds, and with the fraction's digits that say something.
pub(super) struct FeelTime(pub Time);

impl fmt::Display for FeelTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:02}:{:02}:{:02}", self.0.hour(), self.0.minute(), self.0.second())?;
        match self.0.subsec_nanosecond() {
            0 => Ok(()),
            nanoseconds => write!(out, ".{}", format!("{nanoseconds:09}").trim_end_matches('0')),
        }
    }
}

/// `@Europe/Berlin`, `+01:00` or `Z`.
struct FeelZone<'a>(Offset, Option<&'a str>);

impl fmt::Display for FeelZone<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(region) = self.1 {
            return write!(out, "@{region}");
        }
        let seconds = self.0.seconds();
        if seconds == 0 {
            return write!(out, "Z");
        }
        let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs());
        write!(out, "{sign}{:02}:{:02}", size / 3600, size / 60 % 60)?;
        if size % 60 == 0 { Ok(()) } else { write!(out, ":{:02}", size % 60) }
    }
}

/// Takes `count` digits from the front.
fn digits(text: &mut &str, count: usize) -> Option<i32> {
    let (number, rest) = text.split_at_checked(count)?;
    *text = rest;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
}

fn sign(text: &mut &str, sign: &str) -> Option<()> {
    *text = text.strip_prefix(sign)?;
    Some(())
}

fn take_date(text: &mut &str) -> Option<Date> {
    let negative = sign(text, "-").is_some();
    let year = digits(text, 4)?;
    sign(text, "-")?;
    let month = digits(text, 2)?;
    sign(text, "-")?;
    let day = digits(text, 2)?;
    let year = if negative { -year } else { year };
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// `seconds` says whether they must be written.
fn take_time(text: &mut &str, seconds: bool) -> Option<Time> {
    let hour = digits(text, 2)?;
    sign(text, ":")?;
    let minute = digits(text, 2)?;
    let second = match sign(text, ":") {
        Some(()) => digits(text, 2)?,
        None if seconds => return None,
        None => 0,
    };
    let mut nanoseconds = 0;
    if sign(text, ".").is_some() {
        let count = text.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=9).contains(&count) {
            return None;
        }
        nanoseconds = digits(text, count)? * 10_i32.pow(9 - u32::try_from(count).ok()?);
    }
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?, nanoseconds).ok()
}

fn take_offset(text: &mut &str) -> Option<Offset> {
    if sign(text, "Z").is_some() {
        return Some(Offset::UTC);
    }
    let negative = sign(text, "-").is_some();
    if !negative {
        sign(text, "+")?;
    }
    let hours = digits(text, 2)?;
    sign(text, ":")?;
    let minutes = digits(text, 2).filter(|minutes| *minutes < 60)?;
    offset(if negative { -1 } else { 1 } * (hours * 60 + minutes) * 60)
}

/// An offset against UTC in seconds, as far as Java knows them.
pub(super) fn offset(seconds: i32) -> Option<Offset> {
    Offset::from_seconds(seconds).ok().filter(|_| seconds.abs() <= MAX_OFFSET)
}

/// A region by its exact name.
fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}

/// A region's zone by its name, or that of an offset.
fn place_zone(place: &str) -> Option<(TimeZone, Option<Arc<str>>)> {
    let mut rest = place;
    match take_offset(&mut rest).filter(|_| rest.is_empty()) {
        Some(offset) => Some((TimeZone::fixed(offset), None)),
        None => Some((zone(place)?, Some(place.into()))),
    }
}

/// A region's offset when no summer time is kept there, by the rules of a fixed day: Java takes those of today.
fn standard_offset(zone: &TimeZone) -> Offset {
    const NEW_YEAR_2026: i64 = 1_767_225_600;
    let day = Timestamp::from_second(NEW_YEAR_2026).unwrap_or_default();
    let today = zone.to_offset_info(day);
    if !today.dst().is_dst() {
        return today.offset();
    }
    let winter = zone.preceding(day).find(|transition| !transition.dst().is_dst());
    winter.map_or(today.offset(), |transition| transition.offset())
}

/// `2024-01-31`.
pub(super) fn parse_date(mut text: &str) -> Option<Date> {
    take_date(&mut text).filter(|_| text.is_empty())
}

/// `10:30`, `T10:30:00.5`.
pub(super) fn parse_local_time(mut text: &str) -> Option<Time> {
    sign(&mut text, "T");
    take_time(&mut text, false).filter(|_| text.is_empty())
}

/// `10:30:00Z`, `10:30:00+02:00`, `10:30:00@Europe/Berlin`.
pub(super) fn parse_time(mut text: &str) -> Option<ZonedTime> {
    sign(&mut text, "T");
    let time = take_time(&mut text, true)?;
    if let Some(region) = text.strip_prefix('@') {
        let offset = standard_offset(&zone(region)?);
        return Some(ZonedTime { time, offset, region: Some(region.into()) });
    }
    let offset = take_offset(&mut text)?;
    text.is_empty().then_some(ZonedTime { time, offset, region: None })
}

/// `2024-01-31T10:30:00`.
pub(super) fn parse_local_date_time(mut text: &str) -> Option<DateTime> {
    let date = take_date(&mut text)?;
    sign(&mut text, "T")?;
    let time = take_time(&mut text, false)?;
    text.is_empty().then(|| date.to_datetime(time))
}

/// `2024-01-31T10:30:00Z`, `…+02:00`, `…@Europe/Berlin`.
pub(super) fn parse_date_time(mut text: &str) -> Option<ZonedDateTime> {
    let date = take_date(&mut text)?;
    sign(&mut text, "T")?;
    let clock = date.to_datetime(take_time(&mut text, false)?);
    if let Some(region) = text.strip_prefix('@') {
        return ZonedDateTime::local(clock, Offset::UTC, Some(region.into()));
    }
    let offset = take_offset(&mut text)?;
    text.is_empty().then(|| ZonedDateTime::local(clock, offset, None))?
}

/// A clock in a region or at an offset.
pub(super) fn at_place(clock: DateTime, place: &str) -> Option<ZonedDateTime> {
    let (zone, region) = place_zone(place)?;
    Some(ZonedDateTime { at: zone.to_ambiguous_zoned(clock).compatible().ok()?, region })
}
