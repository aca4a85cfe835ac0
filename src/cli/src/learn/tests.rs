//! Claims about the whole answer, from facts as the launcher hands them over.

use super::*;

#[test]
fn a_time_is_a_number_with_a_unit_and_bounded() {
    let seconds = |text| time(text).map(|time| time.as_secs());
    assert_eq!(
        [seconds("90"), seconds("90s"), seconds("10m"), seconds("2h")],
        [Ok(90), Ok(90), Ok(600), Ok(7200)]
    );
    for wrong in
        ["", "s", "0s", "-1s", "1d", "1.5h", "745h", "99999999999999999999s", "18446744073709551615h"]
    {
        assert!(seconds(wrong).is_err(), "{wrong}");
    }
}
