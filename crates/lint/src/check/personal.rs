//! By what personal data are recognised. Each function looks at one text, in time linear in it.

use std::net::IpAddr;

/// Whether the text contains an e-mail address.
pub(super) fn email(text: &str) -> bool {
    let local = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-');
    let mut rest = text.as_bytes();
    let mut before = None;
    while let Some(at) = memchr::memchr(b'@', rest) {
        let (left, right) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default());
        let last = left.last().copied().or(before);
        if last.is_some_and(local) && begins_with_domain(right) {
            return true;
        }
        before = Some(b'@');
        rest = right;
    }
    false
}

/// Labels between dots, the last one of letters: `mail.example.com`.
fn begins_with_domain(text: &[u8]) -> bool {
    let len =
        text.iter().take(254).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')).count();
    let domain = text.get(..len).unwrap_or_default();
    let domain = domain.strip_suffix(b".").unwrap_or(domain);
    let mut labels = domain.rsplit(|b| *b == b'.');
    let top = labels.next().unwrap_or_default();
    top.len() >= 2
        && top.iter().all(u8::is_ascii_alphabetic)
        && labels.next().is_some_and(|label| !label.is_empty())
}

/// Whether the text is a telephone number with its country's prefix.
pub(super) fn phone(text: &str) -> bool {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let Some(number) = text.strip_prefix('+') else { return false };
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    (8..=15).contains(&digits)
        && number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'.' | b'(' | b')' | b'/'))
}

#[rustfmt::skip] // a table
const NAMES: &[&str] = &[
    "name", "fullname", "displayname", "givenname", "firstname", "middlename", "familyname", "lastname", "surname",
    "maidenname", "birthdate", "birthday", "birthplace", "dateofbirth", "dob", "address", "streetaddress",
    "postaladdress", "homeaddress", "gender", "sex", "nationality", "religion", "ethnicity", "maritalstatus", "salary",
    "email", "emailaddress", "mobile", "mobilenumber", "telephone",
];

/// Whether a claim of that name tells about a person. Without hyphens and in lower case.
pub(super) fn name(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether the text is the address of a machine other than this one.
pub(super) fn ip_address(name: &str, text: &str) -> bool {
    let address = text.trim().parse::<IpAddr>();
    !name.contains("version")
        && address.is_ok_and(|address| !address.is_loopback() && !address.is_unspecified())
}

/// Whether the text contains a payment card number: length, prefix and check digit of an issuer's.
/// Single blanks and hyphens may stand between its digits.
pub(super) fn card_number(text: &str) -> bool {
    text.split([',', ';', ':', '=', '/', '"', '(', ')', '\n']).any(|phrase| {
        let mut digits = Vec::new();
        // The empty word at the end closes the last group.
        phrase.split([' ', '-']).chain([""]).any(|word| {
            let word = word.trim_end_matches(['.', '!', '?']);
            if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
                digits.extend(word.bytes().map(|b| b - b'0'));
                return false;
            }
            let group = std::mem::take(&mut digits);
            is_card_number(&group)
        })
    })
}

fn is_card_number(digits: &[u8]) -> bool {
    let prefix =
        |len: usize| digits.iter().take(len).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let len = digits.len();
    let known = match prefix(1) {
        4 => matches!(len, 13 | 16 | 19),
        5 => len == 16 && (51..=55).contains(&prefix(2)),
        2 => len == 16 && (2221..=2720).contains(&prefix(4)),
        3 => match prefix(2) {
            34 | 37 => len == 15,
            36 | 38 => len == 14,
            35 => len == 16 && (3528..=3589).contains(&prefix(4)),
            _ => len == 14 && (300..=305).contains(&prefix(3)),
        },
        6 => match prefix(2) {
            62 => (16..=19).contains(&len),
            65 => len == 16,
            _ => len == 16 && (prefix(4) == 6011 || (644..=649).contains(&prefix(3))),
        },
        _ => false,
    };
    known && luhn(digits)
}

/// The check digit of ISO/IEC 7812.
fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().map(|(place, digit)| {
        let doubled = u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 };
        doubled / 10 + doubled % 10
    });
    sum.sum::<u32>().is_multiple_of(10)
}

/// Whether the text, or a word of it, is an IBAN with right check digits (ISO 13616).
pub(super) fn iban(text: &str) -> bool {
    let whole: String = text.split_whitespace().take(12).collect();
    is_iban(&whole) || text.split_whitespace().any(is_iban)
}

fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some((head, body)), 15..=34) = (bytes.split_at_checked(4), bytes.len()) else { return false };
    let [a, b, c, d] = head else { return false };
    if !(a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit()) {
        return false;
    }
    let mut remainder = 0_u32;
    for byte in body.iter().chain(head) {
        remainder = match byte {
            b'0'..=b'9' => remainder * 10 + u32::from(byte - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(byte - b'A') + 10,
            _ => return false,
        } % 97;
    }
    remainder == 1
}

#[rustfmt::skip] // a table
const NATIONAL_IDS: &[&str] = &[
    "ssn", "socialsecuritynumber", "socialsecurity", "nationalid", "nationalidnumber", "nationalidentifier",
    "passport", "passportnumber", "passportno", "driverslicense", "driverlicense", "drivinglicence", "idcard",
    "idcardnumber", "identitycard", "taxid", "taxnumber", "tin", "steuerid", "nino", "nationalinsurancenumber",
    "nhsnumber", "insee", "dni", "codicefiscale", "fiscalcode", "cpf", "curp", "aadhaar", "aadhar", "nric", "hkid",
    "pesel", "personnummer", "fodselsnummer", "cprnumber", "bsn", "egn", "oib", "jmbg", "rodnecislo",
];

/// Whether the claim is a number of a state's register, by its name, or by the form of the United
/// States' social security number.
pub(super) fn national_id(name: &str, text: &str) -> bool {
    (NATIONAL_IDS.contains(&name) && text.bytes().any(|b| b.is_ascii_digit())) || is_ssn(text)
}

fn is_ssn(text: &str) -> bool {
    let mut groups = text.trim().split('-');
    let mut group = |len: usize| {
        let digits =
            groups.next().filter(|digits| digits.len() == len && digits.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u16>().ok()).filter(|number| *number > 0)
    };
    let is_area = |area: u16| area != 666 && area < 900;
    group(3).is_some_and(is_area) && group(2).is_some() && group(4).is_some() && groups.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recognised_and_what_is_not() {
        type Test = fn(&str) -> bool;
        let cases: [(&str, Test, &[&str], &[&str]); 6] = [
            (
                "email",
                email,
                &["ada@example.com", "Ada <a.b+c@mail.example.co.uk>", "@@a@b.de", "a@b.com."],
                &[
                    "",
                    "@",
                    "a@",
                    "a@b",
                    "@example.com",
                    "a@b.c1",
                    "a@.com",
                    "ada at example.com",
                    "a@b..",
                    "é@b.de",
                ],
            ),
            (
                "phone",
                phone,
                &["+442079460958", "+1 (202) 555-0123", "tel:+49-30-901820", " +33 1 23 45 67 89 "],
                &["", "+", "+1", "442079460958", "+1234567890123456", "+44 call me 20794609"],
            ),
            (
                "card_number",
                card_number,
                &[
                    "4111111111111111",
                    "4111-1111-1111-1111",
                    "paid with 4111 1111 1111 1111.",
                    "378282246310005",
                    "6011111111111117",
                    "5555555555554444",
                    "30569309025904",
                    "2223003122003222",
                    "card=4111111111111111;x",
                ],
                &[
                    "",
                    "4111111111111112",
                    "41111111111111111111",
                    "1700000000000",
                    "9999999999999995",
                    "4111  1111  1111  1111",
                    "0000000000000000",
                    "0.4111111111111111",
                    "id4111111111111111",
                ],
            ),
            (
                "iban",
                iban,
                &[
                    "GB82WEST12345698765432",
                    "GB82 WEST 1234 5698 7654 32",
                    "account DE89370400440532013000 please",
                ],
                &["", "GB82WEST12345698765433", "gb82west12345698765432", "GB82", "HELLOWORLDHELLOWORLD"],
            ),
            (
                "ssn",
                is_ssn,
                &["078-05-1120"],
                &["000-05-1120", "666-05-1120", "900-05-1120", "078-05-112", "078051120"],
            ),
            (
                "ip_address",
                |text| ip_address("", text),
                &["203.0.113.7", "2001:db8::1", "10.0.0.1"],
                &["127.0.0.1", "::1", "0.0.0.0", "1.2.3", "203.0.113.7 is mine"],
            ),
        ];
        for (name, test, yes, no) in cases {
            for text in yes {
                assert!(test(text), "{name}: {text:?}");
            }
            for text in no {
                assert!(!test(text), "{name}: {text:?}");
            }
        }
    }

    #[test]
    fn a_version_is_no_address_and_a_name_needs_a_number() {
        assert!(!ip_address("appversion", "203.0.113.7"));
        assert!(national_id("pesel", "44051401359") && !national_id("pesel", "yes"));
        assert!(!national_id("sub", "44051401359"));
    }
}
