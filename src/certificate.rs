//! From when until when a certificate is valid: the one field of X.509 that an operator must hear about in time.
//!
//! ```text
//! Certificate ::= SEQUENCE { tbsCertificate SEQUENCE {
//!     [0] version OPTIONAL, serial INTEGER, algorithm SEQUENCE, issuer SEQUENCE,
//!     validity SEQUENCE { notBefore Time, notAfter Time }, … }, … }
//! ```
//!
//! Whether the rest is right is others' business; this only walks to the field. An X.509 crate would be a dozen more.

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// `notAfter` in seconds since the epoch; none if that can't be found.
pub(crate) fn not_after(der: &[u8]) -> Option<i64> {
    validity(der).map(|(_, until)| until)
}

/// `notBefore` and `notAfter`, the same.
pub(crate) fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let mut outer = der;
    let mut certificate = take(&mut outer, SEQUENCE)?;
    let mut fields = take(&mut certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        take(&mut fields, VERSION)?;
    }
    take(&mut fields, INTEGER)?;
    take(&mut fields, SEQUENCE)?;
    take(&mut fields, SEQUENCE)?;
    let mut validity = take(&mut fields, SEQUENCE)?;
    Some((time(&mut validity)?, time(&mut validity)?))
}

/// The content of the next element, which must be of this kind.
fn take<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&found, after) = rest.split_first()?;
    let (&short, mut after) = after.split_first()?;
    if found != tag {
        return None;
    }
    let len = match short {
        0..=0x7f => usize::from(short),
        0x81..=0x84 => {
            let (digits, content) = after.split_at_checked(usize::from(short & 0x7f))?;
            after = content;
            digits
                .iter()
                .fold(0, |len, digit| len << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    let (content, behind) = after.split_at_checked(len)?;
    *rest = behind;
    Some(content)
}

fn time(rest: &mut &[u8]) -> Option<i64> {
    let short = rest.first() == Some(&UTC_TIME);
    let text = take(rest, if short { UTC_TIME } else { GENERALIZED_TIME })?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, text) = text.split_at_checked(if short { 2 } else { 4 })?;
    let year = match number(year)? {
        // RFC 5280: two digits mean 1950 to 2049.
        year if !short => year,
        year @ 0..50 => 2000 + year,
        year => 1900 + year,
    };
    let mut text = text;
    let mut two = || {
        let (digits, rest) = text.split_at_checked(2)?;
        text = rest;
        number(digits)
    };
    let [month, day, hour, minute, second] = [two()?, two()?, two()?, two()?, two()?];
    if !text.is_empty() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(digits: &str) -> Option<i64> {
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is the last one.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1990, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_found_in_both_forms_of_time() {
        for (year, month, day, seconds) in [
            (2026, 11, 23, 1_795_392_000),
            (2028, 2, 29, 1_835_395_200),
            (2049, 12, 31, 2_524_521_600),
            (2050, 1, 1, 2_524_608_000),
            (2100, 3, 1, 4_107_542_400),
        ] {
            let der = certificate(year, month, day);
            assert_eq!(not_after(&der), Some(seconds), "{year}-{month}-{day}");
            assert_eq!(validity(&der), Some((631_152_000, seconds)));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0..600_usize, byte: u8, cut in 0..600_usize) {
            not_after(&bytes);
            let mut der = certificate(2030, 1, 1);
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            der.truncate(cut);
            not_after(&der);
        }
    }
}
