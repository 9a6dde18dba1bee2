use jiff::{
    civil::{DateTime, Time, date, time},
    tz::TimeZone,
};
use wire::Name;

use super::*;
use crate::site::Text;

fn hours(week: [Spans; 7], holidays: Holidays) -> OpeningHours {
    OpeningHours { id: Name::new("office").unwrap(), name: Text::default(), week, holidays }
}

fn office() -> OpeningHours {
    let day = vec![(time(8, 30, 0, 0), time(18, 30, 0, 0))];
    let week = std::array::from_fn(|index| if index < 5 { day.clone() } else { Vec::new() });
    hours(week, Holidays::FollowCalendar)
}

fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn instant(local: DateTime) -> i64 {
    local.to_zoned(shanghai()).unwrap().timestamp().as_second()
}

#[track_caller]
fn check_open(hours: &OpeningHours, local: &str, expected: bool) {
    let local: DateTime = local.parse().unwrap();
    assert_eq!(hours.is_open(local, &HolidayCalendar::china()), expected, "{local}");
}

#[test]
fn the_calendar_we_carry_is_read_without_a_fault() {
    let calendar = HolidayCalendar::parse(include_str!("../../data/holidays-cn.txt")).unwrap();

    assert_eq!(calendar, HolidayCalendar::china());
    assert!(calendar.notice(2026).unwrap().contains("国办发明电〔2025〕7号"));
}

#[test]
fn both_years_have_248_working_days() {
    let calendar = HolidayCalendar::china();

    for year in [2025, 2026] {
        let worked = date(year, 1, 1)
            .series(jiff::Span::new().days(1))
            .take_while(|day| day.year() == year)
            .filter(|&day| calendar.day(day).or_weekday().is_worked())
            .count();
        assert_eq!(worked, 248, "{year}");
    }
}

#[test]
fn a_make_up_sunday_is_worked_and_a_holiday_monday_is_not() {
    let calendar = HolidayCalendar::china();

    assert_eq!(calendar.day(date(2026, 9, 20)), Day::Known(DayType::MakeUp));
    assert_eq!(calendar.day(date(2026, 2, 23)), Day::Known(DayType::Holiday));
    assert_eq!(calendar.day(date(2026, 2, 24)), Day::Known(DayType::Working));
    assert_eq!(calendar.day(date(2026, 10, 11)), Day::Known(DayType::Weekend));
}

#[test]
fn a_year_without_a_notice_is_a_guess_by_weekday() {
    let calendar = HolidayCalendar::china();

    assert_eq!(calendar.day(date(2027, 10, 1)), Day::Guessed(DayType::Working));
    assert_eq!(calendar.day(date(2027, 10, 2)), Day::Guessed(DayType::Weekend));
    assert_eq!(calendar.day(date(2027, 10, 1)).code(), "unknown");
}

#[test]
fn next_year_is_missed_from_november_on() {
    let calendar = HolidayCalendar::china();

    assert_eq!(calendar.year_missing(date(2026, 10, 31)), None);
    assert_eq!(calendar.year_missing(date(2026, 11, 1)), Some(2027));
    assert_eq!(calendar.year_missing(date(2027, 3, 1)), Some(2027));
    assert_eq!(HolidayCalendar::weekdays().year_missing(date(2027, 11, 1)), None);
}

#[test]
fn a_newer_notice_replaces_its_year_and_no_other() {
    let newer = HolidayCalendar::parse("year 2026 revised\n2026-03-02 off").unwrap();

    let calendar = HolidayCalendar::china().with(&newer);

    assert_eq!(calendar.day(date(2026, 3, 2)), Day::Known(DayType::Holiday));
    assert_eq!(calendar.day(date(2026, 10, 1)), Day::Known(DayType::Working));
    assert_eq!(calendar.day(date(2025, 10, 1)), Day::Known(DayType::Holiday));
}

#[test]
fn every_wrong_line_is_named() {
    let text = "year\n2026-01-01 off\nyear 2026 x\n2026-01-01 maybe\nsoon off\n\
                2026-02-03..2026-02-01 off\n2026-05-01 off\n2026-05-01 work";

    let errors = HolidayCalendar::parse(text).unwrap_err();

    let found: Vec<_> = errors.iter().map(|error| (error.line, error.kind)).collect();
    assert_eq!(
        found,
        [
            (1, CalendarErrorKind::NoYear),
            (2, CalendarErrorKind::YearNotOpened),
            (4, CalendarErrorKind::NoVerdict),
            (5, CalendarErrorKind::NoDay),
            (6, CalendarErrorKind::Backwards),
            (8, CalendarErrorKind::Twice),
        ]
    );
}

#[test]
fn an_office_is_open_on_working_days_from_its_hour_to_its_hour() {
    check_open(&office(), "2026-11-23T08:29:59", false);
    check_open(&office(), "2026-11-23T08:30:00", true);
    check_open(&office(), "2026-11-23T18:29:59", true);
    check_open(&office(), "2026-11-23T18:30:00", false);
    check_open(&office(), "2026-11-22T12:00:00", false);
}

#[test]
fn holidays_close_an_office_and_make_up_days_open_it_like_a_monday() {
    check_open(&office(), "2026-10-01T12:00:00", false);
    check_open(&office(), "2026-10-10T12:00:00", true);
}

#[test]
fn a_museum_follows_its_week_and_not_the_calendar() {
    let day = vec![(time(9, 0, 0, 0), time(17, 0, 0, 0))];
    let week = std::array::from_fn(|index| if index == 0 { Vec::new() } else { day.clone() });
    let museum = hours(week, Holidays::Ignore);

    check_open(&museum, "2026-10-01T12:00:00", true);
    check_open(&museum, "2026-11-23T12:00:00", false);
    check_open(&museum, "2026-11-22T12:00:00", true);
}

#[test]
fn a_night_shift_ends_on_the_next_morning_even_on_a_holiday() {
    let night = vec![(time(22, 0, 0, 0), time(6, 0, 0, 0))];
    let week = std::array::from_fn(|_| night.clone());
    let shift = hours(week, Holidays::FollowCalendar);

    check_open(&shift, "2026-09-30T23:00:00", true);
    check_open(&shift, "2026-10-01T05:59:00", true);
    check_open(&shift, "2026-10-01T06:00:00", false);
    check_open(&shift, "2026-10-01T22:30:00", false);
}

#[test]
fn midnight_to_midnight_is_the_whole_day() {
    let all_day = vec![(Time::midnight(), Time::midnight())];
    let week = std::array::from_fn(|index| if index == 2 { all_day.clone() } else { Vec::new() });
    let wednesdays = hours(week, Holidays::Ignore);

    check_open(&wednesdays, "2026-11-24T23:59:59", false);
    check_open(&wednesdays, "2026-11-25T00:00:00", true);
    check_open(&wednesdays, "2026-11-25T23:59:59", true);
    check_open(&wednesdays, "2026-11-26T00:00:00", false);
}

#[test]
fn a_permit_opens_its_area_and_no_other() {
    let (east, west) = (Name::new("2f-east").unwrap(), Name::new("2f-west").unwrap());
    let evening = |hour| instant(date(2026, 11, 23).at(hour, 0, 0, 0));
    let permits = [Exception { area: east, from: evening(18), until: evening(21) }];
    let (hours, calendar, zone) = (office(), HolidayCalendar::china(), shanghai());
    let opening = |area| Opening {
        area,
        hours: &hours,
        calendar: &calendar,
        zone: &zone,
        exceptions: &permits,
    };

    assert!(opening(&east).is_open(evening(20)));
    assert!(!opening(&east).is_open_by_hours(evening(20)));
    assert!(!opening(&east).is_open(evening(21)));
    assert!(!opening(&west).is_open(evening(20)));
    assert_eq!(opening(&east).next_change(evening(20), 86_400), Some(evening(21)));
}

#[test]
fn a_weekend_has_been_closed_since_friday_evening() {
    let area = Name::new("2f-east").unwrap();
    let (hours, calendar, zone) = (office(), HolidayCalendar::china(), shanghai());
    let opening =
        Opening { area: &area, hours: &hours, calendar: &calendar, zone: &zone, exceptions: &[] };
    let sunday = instant(date(2026, 11, 22).at(12, 7, 0, 0));

    let closed = instant(date(2026, 11, 20).at(18, 30, 0, 0));
    assert_eq!(opening.closed_since(sunday, 14 * 86_400), Some(closed));
    let opens = instant(date(2026, 11, 23).at(8, 30, 0, 0));
    assert_eq!(opening.next_change(sunday, 14 * 86_400), Some(opens));
    assert_eq!(opening.closed_since(opens, 14 * 86_400), None);
}
